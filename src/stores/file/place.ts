import { dirname, resolve } from "node:path";

const { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } =
  process.getBuiltinModule("node:fs");

const SQLITE = "SQLite format 3\0";

/** Why a store cannot be opened at this path, or undefined. Opens nothing for writing and creates nothing. */
export function faultOfPlace(folder: string, path: string): string | undefined {
  const place = resolve(folder, path);
  return existsSync(place) ? faultOfFile(place) : faultOfFolder(dirname(place));
}

function faultOfFile(path: string): string | undefined {
  if (!statSync(path).isFile()) return "it is not a file";
  if (!mayUse(path, constants.R_OK | constants.W_OK)) return "this user cannot read and write it";
  const head = Buffer.alloc(SQLITE.length);
  const file = openSync(path, "r");
  const size = readSync(file, head, 0, head.length, 0);
  closeSync(file);
  return size === 0 || head.toString("latin1") === SQLITE ? undefined : "it is not a SQLite database";
}

/** The store creates missing folders: the nearest existing one must allow that. */
function faultOfFolder(folder: string): string | undefined {
  if (!existsSync(folder)) return faultOfFolder(dirname(folder));
  if (!statSync(folder).isDirectory()) return `${folder} is not a folder`;
  return mayUse(folder, constants.W_OK | constants.X_OK) ? undefined : `this user cannot write to ${folder}`;
}

function mayUse(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
