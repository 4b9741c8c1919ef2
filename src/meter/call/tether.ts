/** The object with which a call ends when it is garbage collected. */
export interface Tether {
  /** Kept alive while the call is young; then a registry tracks it. */
  readonly young: object | undefined;
  /** Kept only to ask {@link isRead}. */
  readonly weak: WeakRef<object> | undefined;
  readonly registered: boolean;
  /** Whether the body was read where the transport cannot observe it. */
  readonly isRead: ((target: object) => boolean) | undefined;
}
