import { subscribe, unsubscribe } from "node:diagnostics_channel";

/** Listeners by the name of a channel of `node:diagnostics_channel`; nothing is loaded for a name. */
export type ChannelListeners = Readonly<Record<string, (message: never) => void>>;

/**
 * Returns a function that starts listening and returns one that stops. What a listener throws goes to `onFault`: it
 * would end the process.
 */
export function listenTo(listeners: ChannelListeners, onFault: (error: unknown) => void): () => () => void {
  return () => {
    const leave = Object.entries(listeners).map(([channel, listener]) => {
      const guarded = (message: unknown): void => {
        try {
          listener(message as never);
        } catch (error) {
          onFault(error);
        }
      };
      subscribe(channel, guarded);
      return () => unsubscribe(channel, guarded);
    });
    return () => {
      for (const step of leave) step();
    };
  };
}

/** Whether Node has loaded a module of its own, by its internal name; undefined where it does not say. */
export function isLoaded(name: string): boolean | undefined {
  const { moduleLoadList } = process as unknown as { readonly moduleLoadList?: readonly string[] };
  return moduleLoadList?.includes(`NativeModule ${name}`);
}
