import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import type { Summary } from "../../src/doctor/forms.ts";
import { entryPath } from "../entries.ts";

const MAIN = entryPath("cli/main");
const APPS = join(import.meta.dirname, "apps");

/** Versions by name of package. A name may be a path: `@openai/agents/node_modules/openai`. */
export type Versions = Readonly<Record<string, string>>;

const folder = mkdtempSync(join(tmpdir(), "spendfuse-doctor-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export const APP_NAMES = readdirSync(APPS);

/** A copy of a sample app, with what it depends on installed: packages that hold their own name and version alone. */
export function installedApp(name: string, more: Versions = {}, files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(folder, `${name}-`));
  cpSync(join(APPS, name), dir, { recursive: true });
  const { dependencies = {} } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as {
    readonly dependencies?: Versions;
  };
  write(dir, files);
  install(dir, { ...dependencies, ...more });
  return dir;
}

/** An app made of these files. */
export function appOf(files: Readonly<Record<string, string>>, installed: Versions = {}): string {
  const dir = mkdtempSync(join(folder, "app-"));
  write(dir, files);
  install(dir, installed);
  return dir;
}

function install(dir: string, versions: Versions): void {
  for (const [name, version] of Object.entries(versions))
    write(dir, { [`node_modules/${name}/package.json`]: JSON.stringify({ name, version }) });
}

function write(dir: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

/** Someone at an address who answers each path with a status. What was asked is kept. */
export interface Stand {
  readonly url: string;
  readonly asked: string[];
  close(): void;
}

/** @param statuses By the beginning of a path; any other is 404. */
export async function openStand(statuses: Readonly<Record<string, number>>): Promise<Stand> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(`${request.method} ${path}`);
    const status = Object.entries(statuses).find(([start]) => path.startsWith(start))?.[1] ?? 404;
    response.writeHead(status, { "content-type": "application/json", location: "http://elsewhere.invalid/" }).end("{}");
  });
  const url = await listening(server);
  return { url, asked, close: () => void server.close() };
}

/** An address without a listener. */
export async function closedUrl(): Promise<string> {
  const server = createServer();
  const url = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return url;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `spendfuse doctor` as a process of its own, with these variables and none that could mean something to it. */
export function runDoctor(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const meant = /^(?:DD|OTEL|SPENDFUSE|OPENAI|ANTHROPIC|GEMINI|GOOGLE)_|^NODE_OPTIONS$|_API_KEY$|^(?:FORCE|NO)_COLOR$/;
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !meant.test(name)));
  const child = spawn(process.execPath, ["--no-warnings", MAIN, "doctor", ...args], {
    cwd: folder,
    env: { ...clean, ...env },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

export async function examined(dir: string, env: Readonly<Record<string, string>>): Promise<Summary & Ended> {
  const ended = await runDoctor(["--json", "--dir", dir], env);
  if (ended.out === "") throw new Error(`no answer: ${ended.err}`);
  return { ...(JSON.parse(ended.out) as Summary), ...ended };
}
