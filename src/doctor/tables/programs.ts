/** Agent programs that an app may start, by the words with which it does. */
export interface AgentProgram {
  readonly name: string;
  /** Packages that start it, or are it. */
  readonly packages: readonly string[];
  /** The commands that start it. */
  readonly commands: readonly string[];
}

export const AGENT_PROGRAMS: readonly AgentProgram[] = [
  {
    name: "Claude Code",
    packages: ["@anthropic-ai/claude-agent-sdk", "@anthropic-ai/claude-code"],
    commands: ["claude"],
  },
  { name: "Codex", packages: ["@openai/codex-sdk", "@openai/codex"], commands: ["codex"] },
  { name: "Gemini CLI", packages: ["@google/gemini-cli"], commands: ["gemini"] },
  { name: "opencode", packages: ["opencode-ai", "@opencode-ai/sdk"], commands: ["opencode"] },
  { name: "Qwen Code", packages: ["@qwen-code/qwen-code"], commands: ["qwen"] },
  { name: "aider", packages: [], commands: ["aider"] },
];

/** Packages by which an app starts programs. */
export const STARTERS = /^(?:(?:node:)?child_process|execa|cross-spawn|tinyexec|zx|nano-spawn|node-pty|shelljs)$/;

/** Variables that send Claude Code to a cloud, which no proxy of ours stands for. */
export const PAST_THE_PROXY = ["CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"] as const;
