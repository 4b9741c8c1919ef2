import { object, parse } from "../../src/core/json.ts";
import type { Recording } from "./exchange.ts";

/** What the input of a call consists of: where it is more than text, estimates are far harder. */
export type Population = "text and functions" | "attachments" | "server tools";

const ATTACHMENT =
  /"type":\s*"(?:image|image_url|input_image|document|document_url|file|input_file|input_audio|container_upload|video_url)"|"(?:inlineData|inline_data|fileData|file_data)":/;

export function populationOf({ format, request }: Recording): Population {
  const body = object(parse(request)) ?? {};
  const tools = (Array.isArray(body.tools) ? body.tools : []) as readonly Readonly<Record<string, unknown>>[];
  if (tools.some((tool) => !isFunction(format, tool)) || body.mcp_servers || body.web_search_options || body.plugins) {
    return "server tools";
  }
  return ATTACHMENT.test(request) ? "attachments" : "text and functions";
}

function isFunction(format: string, tool: Readonly<Record<string, unknown>>): boolean {
  if (format === "anthropic-messages") return tool.input_schema !== undefined;
  if (format === "google-generate") return (tool.functionDeclarations ?? tool.function_declarations) !== undefined;
  return tool.type === undefined || tool.type === "function";
}
