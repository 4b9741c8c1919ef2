/** The object with which a call ends when it is garbage collected. */
export interface Tether {
  /** Kept alive while the call is young; then a registry tracks it. */
  readonly young: object | undefined;
  readonly weak: WeakRef<object> | undefined;
  /** Whether the body was read where the transport cannot observe it. */
  readonly isRead: ((target: object) => boolean) | undefined;
}
