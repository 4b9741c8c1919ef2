import type { Addresses } from "../../../proxy/children.ts";
import { nameOf } from "../../../proxy/children.ts";
import type { Past, ProgramStart } from "../../call/started-program.ts";
import type { Launch } from "./command.ts";

/** An agent program whose ways past a proxy are known. */
interface KnownProgram {
  readonly name: string;
  /** The word of a command line that starts it. */
  readonly word: RegExp;
  readonly host: string;
  /** The variable that tells it the address of its API; undefined for one that takes an argument only. */
  readonly address: readonly [api: keyof Addresses, variable: string] | undefined;
  /** Variables that send it to a cloud, and that cloud's host. */
  readonly clouds: readonly (readonly [variable: string, host: string])[];
  /** An argument that says it was told what to do. */
  readonly asks: RegExp;
  /** An argument with which it goes on with an earlier session. */
  readonly resumes: RegExp;
}

const PROGRAMS: readonly KnownProgram[] = [
  {
    name: "claude",
    word: /^claude$|(?:^|[/@])(?:claude-code|claude-agent-sdk)(?:[@/]|$)/,
    host: "api.anthropic.com",
    address: ["anthropic", "ANTHROPIC_BASE_URL"],
    clouds: [
      ["CLAUDE_CODE_USE_BEDROCK", "bedrock-runtime.amazonaws.com"],
      ["CLAUDE_CODE_USE_VERTEX", "aiplatform.googleapis.com"],
      ["CLAUDE_CODE_USE_FOUNDRY", "services.ai.azure.com"],
    ],
    asks: /^(?:-p|--print|--input-format)(?:=|$)/,
    resumes: /^(?:-r|--resume|-c|--continue|--fork-session)(?:=|$)/,
  },
  {
    name: "codex",
    word: /^codex$|(?:^|[/@])codex(?:[@/]|$)/,
    host: "api.openai.com",
    address: undefined,
    clouds: [],
    asks: /^(?:exec|e)$/,
    resumes: /^resume$/,
  },
  {
    name: "gemini",
    word: /^gemini$|(?:^|[/@])gemini-cli(?:[@/]|$)/,
    host: "generativelanguage.googleapis.com",
    address: ["gemini", "GOOGLE_GEMINI_BASE_URL"],
    clouds: [["GOOGLE_GENAI_USE_VERTEXAI", "aiplatform.googleapis.com"]],
    asks: /^(?:-p|--prompt)(?:=|$)/,
    resumes: /^--resume(?:=|$)/,
  },
  {
    name: "opencode",
    word: /^opencode$|(?:^|[/@])opencode-ai(?:[@/]|$)/,
    host: "api.anthropic.com",
    address: undefined,
    clouds: [],
    asks: /^run$/,
    resumes: /^(?:-s|--session|-c|--continue)(?:=|$)/,
  },
  {
    name: "qwen",
    word: /^qwen$|(?:^|[/@])qwen-code(?:[@/]|$)/,
    host: "api.openai.com",
    address: ["openai", "OPENAI_BASE_URL"],
    clouds: [],
    asks: /^(?:-p|--prompt)(?:=|$)/,
    resumes: /^--resume(?:=|$)/,
  },
  {
    name: "aider",
    word: /^aider$/,
    host: "api.openai.com",
    address: ["openai", "OPENAI_API_BASE"],
    clouds: [],
    asks: /^(?:-m|--message|--message-file)(?:=|$)/,
    resumes: /^--restore-chat-history$/,
  },
];

/** A known program in a launch, and the arguments that are its own. */
export interface FoundProgram {
  readonly program: KnownProgram;
  readonly args: readonly string[];
  /** It is started by a shell, whose command we do not write anew. */
  readonly byShell: boolean;
}

/** The known program that a launch starts; undefined for others, such as Python. */
export function findProgram({ file, args }: Pick<Launch, "file" | "args">, isShell: boolean): FoundProgram | undefined {
  const words = isShell ? args.flatMap((text) => text.split(/[\s;&|()'"`]+/)) : [file, ...args];
  for (const [at, word] of words.entries()) {
    const program = PROGRAMS.find(({ word: own }) => own.test(nameOf(word)) || own.test(word));
    if (program !== undefined) return { program, args: words.slice(at + 1), byShell: isShell };
  }
  return undefined;
}

/** What is known of it when it starts. */
export function startOf({ program, args }: FoundProgram): ProgramStart {
  const { name, host, asks, resumes } = program;
  const at = args.findIndex((arg) => /^(?:-m|--model)(?:=|$)/.test(arg));
  const model = at < 0 ? undefined : (/=(.+)/.exec(args[at] as string)?.[1] ?? args[at + 1]);
  return {
    name,
    host,
    asks: args.some((arg) => asks.test(arg)),
    resumes: args.some((arg) => resumes.test(arg)),
    model: name === "aider" ? undefined : model,
  };
}

/**
 * Why a program's calls go past the proxy that it is given; undefined where they should reach it.
 * @param launch As it is started, with our addresses in it.
 */
export function pastProxy(
  { program, args, byShell }: FoundProgram,
  launch: Launch,
  addresses: Addresses,
): Past | undefined {
  const { env } = launch;
  for (const [variable, host] of program.clouds) {
    if (!isOn(env[variable])) continue;
    return { host, reason: `${variable} sends them to that cloud`, fix: `take ${variable} out of its environment` };
  }
  if (program.address !== undefined) {
    const [api, variable] = program.address;
    const named = env[variable];
    return named === undefined || named === addresses[api] ? undefined : ownAddress(named, variable, api, program.host);
  }
  if (program.name !== "codex") return undefined;
  const own = args.map((arg) => /^openai_base_url\s*=\s*"?([^"]+)/.exec(arg)?.[1]).findLast((url) => url !== undefined);
  if (own !== undefined && own !== addresses.openai) return ownAddress(own, "openai_base_url", "openai", program.host);
  if (!byShell) return undefined;
  const reason = "it takes the proxy's address as an argument only, and a shell starts it";
  return { host: program.host, reason, fix: "start codex itself, without a shell" };
}

function ownAddress(named: string, variable: string, api: keyof Addresses, usual: string): Past {
  const host = URL.parse(named)?.host ?? usual;
  const fix = `leave ${variable} out, and name the address in "proxy": { "upstreams": { "${api}": … } }`;
  return { host, reason: `${variable} names ${host}`, fix };
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !/^(?:0|false|no|off)?$/i.test(value);
}
