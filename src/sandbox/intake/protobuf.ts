/**
 * Reads protobuf by tables. A field is a kind, or for messages the name of another table; `*` after it makes a list.
 * Source of the wire format: the protocol buffers encoding guide; field numbers: opentelemetry-proto 1.x.
 */
export type Schema = Readonly<Record<string, Readonly<Record<number, readonly [name: string, kind: string]>>>>;

type Message = Record<string, unknown>;

const DECODER = new TextDecoder();

/** @throws RangeError when the bytes do not match the table. */
export function readProtobuf(bytes: Uint8Array, schema: Schema, type: string): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  function varint(): number {
    let low = 0;
    let factor = 1;
    for (let i = 0; i < 10; i += 1) {
      if (at >= bytes.length) throw new RangeError("a number is cut off");
      const byte = bytes[at] as number;
      at += 1;
      low += (byte & 0x7f) * factor;
      if (byte < 0x80) return low;
      factor *= 128;
    }
    throw new RangeError("a number is too long");
  }

  function end(length: number): number {
    if (at + length > bytes.length) throw new RangeError("the message is cut off");
    return at + length;
  }

  function scalar(kind: string, wire: number): unknown {
    if (wire === 0) {
      const value = varint();
      return kind === "bool" ? value !== 0 : value;
    }
    at = end(wire === 1 ? 8 : 4) - (wire === 1 ? 8 : 4);
    const from = at;
    at += wire === 1 ? 8 : 4;
    if (wire === 5) return kind === "float" ? view.getFloat32(from, true) : view.getUint32(from, true);
    if (kind === "double") return view.getFloat64(from, true);
    // Nanoseconds do not fit into a number exactly, which does not matter to seconds.
    return kind === "sfixed64" ? Number(view.getBigInt64(from, true)) : Number(view.getBigUint64(from, true));
  }

  function skip(wire: number): void {
    if (wire === 0) varint();
    else if (wire === 2) at = end(varint());
    else if (wire === 1 || wire === 5) at = end(wire === 1 ? 8 : 4);
    else throw new RangeError(`wire type ${wire} is not known`);
  }

  function message(table: string, until: number): Message {
    const fields = schema[table] as Schema[string];
    const result: Message = {};
    while (at < until) {
      const tag = varint();
      const wire = tag & 7;
      const field = fields[Math.floor(tag / 8)];
      if (field === undefined) {
        skip(wire);
        continue;
      }
      const [name, spec] = field;
      const list = spec.endsWith("*");
      const kind = list ? spec.slice(0, -1) : spec;
      if (wire !== 2) put(result, name, scalar(kind, wire), list);
      else {
        const stop = end(varint());
        if (schema[kind] !== undefined) put(result, name, message(kind, stop), list);
        else if (kind === "string") put(result, name, DECODER.decode(bytes.subarray(at, stop)), list);
        else if (kind === "bytes") put(result, name, bytes.subarray(at, stop), list);
        else while (at < stop) put(result, name, scalar(kind, packedWire(kind)), list);
        at = stop;
      }
    }
    return result;
  }

  return message(type, bytes.length);
}

function packedWire(kind: string): number {
  if (kind === "double" || kind === "fixed64" || kind === "sfixed64") return 1;
  return kind === "fixed32" || kind === "float" ? 5 : 0;
}

function put(to: Message, name: string, value: unknown, list: boolean): void {
  if (!list) to[name] = value;
  else if (to[name] === undefined) to[name] = [value];
  else (to[name] as unknown[]).push(value);
}
