import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Endpoint } from "./endpoint.ts";
import type { Exporter } from "./exporter.ts";
import { listenToSignals } from "./signals.ts";

const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");

export interface ExitOptions {
  readonly exporter: Exporter;
  /** Settles open calls, synchronously, for the last interval. */
  readonly settle?: () => void;
  /** Is called once all is settled, when the process ends. */
  readonly last?: () => void;
  /** Releases the slot. */
  readonly release: () => void;
  /** The process that sends what is left; undefined to leave it to the next start. */
  readonly sender: SenderOptions | undefined;
}

export interface SenderOptions {
  readonly endpoint: Endpoint;
  readonly spoolDir: string;
  /** The environment of this process, of which the sender gets what finds certificates and proxies. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether to wait for it, at most a second; by default where it would be killed as soon as we are gone. */
  readonly wait?: boolean;
  /** Milliseconds that it has; by default two seconds, and one where it is waited for. */
  readonly lifeMs?: number;
}

/** The variable in which the sender finds its endpoint. Not an argument: those are for all to see. */
export const SENDER_VARIABLE = "SPENDFUSE_SENDER";

const FLUSH_MS = 1_000;
const SENDER_MS = 2_000;
/** Node takes a part of it to start. */
const WAITED_SENDER_MS = 1_000;
const PASSED_ON = /^(SystemRoot|NODE_EXTRA_CA_CERTS|NODE_USE_ENV_PROXY|SSL_CERT_FILE|SSL_CERT_DIR|(https?|no)_proxy)$/i;

/**
 * Saves the last interval however the process ends, and does not change how it ends. At
 * a natural end it sends for at most one second; at any other nothing asynchronous runs any more: what
 * was not sent is written to disk, and a child process sends it. Returns a function that uninstalls all of it.
 */
export function installExit({ exporter, settle, last, release, sender }: ExitOptions): () => void {
  let flushed = false;

  function onBeforeExit(): void {
    // Asynchronous work makes Node emit the event again, for all listeners.
    const others = process.rawListeners("beforeExit").some((one) => one !== onBeforeExit && !("listener" in one));
    if (flushed || others) return;
    try {
      settle?.();
      if (!exporter.hasWork()) return;
      flushed = true;
      void exporter.send(FLUSH_MS);
    } catch {
      // What could not be sent is saved at the end.
    }
  }

  function save(): void {
    try {
      settle?.();
    } catch {
      // What is settled already is saved nevertheless.
    }
    try {
      if (exporter.save() && sender) startSender(sender);
    } catch {
      // A process that ends must not fail because of us.
    }
    try {
      last?.();
    } catch {
      // The same.
    }
  }

  function onExit(): void {
    save();
    release();
  }

  // Before Datadog's tracer sends what it has: what is settled here adds spans to it.
  process.prependListener("beforeExit", onBeforeExit);
  process.on("exit", onExit);
  // A signal may not end the process after all, so the slot stays its own; once it is dead the slot is free anyway.
  const stopSignals = process.getBuiltinModule("node:worker_threads").isMainThread ? listenToSignals(save) : () => {};
  return () => {
    stopSignals();
    process.off("beforeExit", onBeforeExit);
    process.off("exit", onExit);
  };
}

function startSender({ endpoint, spoolDir, env, wait = isKilledOnExit(), lifeMs }: SenderOptions): void {
  const script = senderPath();
  // Another runtime, or a program that embeds Node, would start itself again instead of our script.
  if (script === undefined || !/^node(js)?(\.exe)?$/i.test(basename(process.execPath))) return;
  const passed = Object.fromEntries(Object.entries(env).filter(([name]) => PASSED_ON.test(name)));
  const options = {
    detached: true,
    stdio: "ignore",
    windowsHide: true,
    env: { ...passed, [SENDER_VARIABLE]: JSON.stringify(endpoint) },
  } as const;
  const { spawn, spawnSync } = process.getBuiltinModule("node:child_process");
  const life = lifeMs ?? (wait ? WAITED_SENDER_MS : SENDER_MS);
  const args = [script, spoolDir, String(life)];
  if (wait) {
    spawnSync(process.execPath, args, { ...options, timeout: life, killSignal: "SIGKILL" });
    return;
  }
  const child = spawn(process.execPath, args, options);
  child.on("error", () => {});
  child.unref();
}

/**
 * Whether a process that we leave behind is killed when we end: in a container when its first process ends, in a systemd
 * service when its main process does.
 */
function isKilledOnExit(): boolean {
  if (process.pid === 1 || process.ppid === 1) return true;
  try {
    return !/^(systemd|init)$/.test(readFileSync("/proc/1/comm", "utf8").trim());
  } catch {
    return false;
  }
}

/**
 * Undefined in a user's bundle, which does not hold the script: what is left waits for the next start then. A file that
 * merely has its name is not run.
 */
function senderPath(): string | undefined {
  try {
    const here = fileURLToPath(import.meta.url);
    const path = here
      .replace(/([\\/]export[\\/])exit\.ts$/, "$1sender.ts")
      .replace(/([\\/])spendfuse-[A-Z0-9]+\.c?js$/, "$1spendfuse-sender.js");
    return path !== here && existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
