import { createRequire } from "node:module";
import { join } from "node:path";
import { SpendfuseError } from "../core/errors.ts";

/**
 * Loads a package that only some users need from where the app keeps it, or else from beside us.
 * @param has A name that the package exports.
 * @param user What needs it, in words.
 * @throws SpendfuseError `SPENDFUSE_MISSING_PACKAGE` with the line that installs it.
 */
export async function findAppPackage<T>(name: string, has: keyof T & string, user: string): Promise<T> {
  for (const place of [join(process.cwd(), "app"), process.argv[1], import.meta.filename]) {
    if (!place) continue;
    const require = createRequire(place);
    let path: string;
    try {
      path = require.resolve(name);
    } catch {
      continue;
    }
    const found = require(path) as Partial<T> & { readonly default?: Partial<T> };
    for (const one of [found, found.default]) if (one?.[has] !== undefined) return one as T;
  }
  const message = `${user} needs the package ${name}, which is not installed here: npm install ${name}`;
  throw new SpendfuseError("SPENDFUSE_MISSING_PACKAGE", message, { package: name });
}
