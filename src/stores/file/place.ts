import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

const SQLITE = "SQLite format 3\0";

/** Why no store can be at this path, or undefined. Nothing is opened for writing or made. */
export function faultOfPlace(folder: string, path: string): string | undefined {
  const place = resolve(folder, path);
  return existsSync(place) ? faultOfFile(place) : faultOfFolder(dirname(place));
}

function faultOfFile(path: string): string | undefined {
  if (!statSync(path).isFile()) return "it is no file";
  if (!mayUse(path, constants.R_OK | constants.W_OK)) return "this user may not read and write it";
  const head = Buffer.alloc(SQLITE.length);
  const file = openSync(path, "r");
  const size = readSync(file, head, 0, head.length, 0);
  closeSync(file);
  return size === 0 || head.toString("latin1") === SQLITE ? undefined : "it is a file of another kind";
}

/** The store makes the folders that are missing: the nearest one that is there must let it. */
function faultOfFolder(folder: string): string | undefined {
  if (!existsSync(folder)) return faultOfFolder(dirname(folder));
  if (!statSync(folder).isDirectory()) return `${folder} is no folder`;
  return mayUse(folder, constants.W_OK | constants.X_OK) ? undefined : `this user may not write to ${folder}`;
}

function mayUse(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
