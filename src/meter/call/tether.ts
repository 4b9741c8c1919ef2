/** What is known when a response is garbage collected: nobody read it, or somebody whom we could not see. */
export type Left = "unread" | "unseen" | "dropped";

/** The object with which a call ends when it is garbage collected. */
export interface Tether {
  readonly left: Left;
  /** Kept alive while the call is young; then a registry knows it. */
  readonly young: object | undefined;
  readonly weak: WeakRef<object> | undefined;
  /** Whether somebody whom the transport cannot see has read it. */
  readonly isRead: ((target: object) => boolean) | undefined;
}
