/** The state when a response is garbage collected: never read, or read unobserved. */
export type Left = "unread" | "unseen" | "dropped";

/** The object with which a call ends when it is garbage collected. */
export interface Tether {
  readonly left: Left;
  /** Kept alive while the call is young; then a registry tracks it. */
  readonly young: object | undefined;
  readonly weak: WeakRef<object> | undefined;
  /** Whether the body was read where the transport cannot observe it. */
  readonly isRead: ((target: object) => boolean) | undefined;
}
