/** What is written as YAML: lists, mappings and plain values. */
export type Yaml = string | number | readonly Yaml[] | { readonly [key: string]: Yaml | undefined };

/** Writes YAML. Keys of value undefined are left out; texts of several lines become blocks. */
export function writeYaml(value: Yaml): string {
  return `${lines(value).join("\n")}\n`;
}

function lines(value: Yaml): readonly string[] {
  if (isList(value)) return value.length === 0 ? ["[]"] : value.flatMap((one) => item(one));
  if (typeof value === "object")
    return Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : entry(key, inner)));
  return [scalar(value)];
}

function isList(value: Yaml): value is readonly Yaml[] {
  return Array.isArray(value);
}

function item(value: Yaml): readonly string[] {
  const [first = "", ...rest] = lines(value);
  return [`- ${first}`, ...rest.map(indent)];
}

function entry(key: string, value: Yaml): readonly string[] {
  if (typeof value === "string" && /^\S.*\n.*\S$/s.test(value)) return [`${key}: |-`, ...value.split("\n").map(indent)];
  if (typeof value !== "object") return [`${key}: ${scalar(value)}`];
  if (isList(value) && value.length === 0) return [`${key}: []`];
  return [`${key}:`, ...lines(value).map(indent)];
}

function indent(line: string): string {
  return line === "" ? "" : `  ${line}`;
}

/** Words that cannot be mistaken stand bare; all else is quoted. */
function scalar(value: string | number): string {
  if (typeof value === "number") return String(value);
  const isWord = /^[A-Za-z][\w./ -]*\w$/.test(value) && !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(value);
  if (isWord) return value;
  const isSimple = /^[^\\\p{Cc}]*$/u.test(value);
  return isSimple && value.includes('"') ? `'${value.replaceAll("'", "''")}'` : JSON.stringify(value);
}
