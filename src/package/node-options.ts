/** From the folder that the app is installed in. */
export const REGISTER_FILE = "node_modules/spendfuse/dist/register.js";

/**
 * A command behind `NODE_OPTIONS` that loads us, for the shell that `npm run` uses. Every Node process that the command
 * starts inherits the variable, in whatever folder: so the path is absolute, and on Windows, where an absolute path is no
 * module's name, a URL.
 */
export function withNodeOptions(command: string, windows: boolean = process.platform === "win32"): string {
  if (windows) return `set "NODE_OPTIONS=--import file:///%CD:\\=/%/${REGISTER_FILE}" && ${command}`;
  return `NODE_OPTIONS="--import $PWD/${REGISTER_FILE}" ${command}`;
}
