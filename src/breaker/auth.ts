import type { IncomingMessage } from "node:http";
import type { Answer } from "../http/exchange.ts";
import { foreignHost } from "../http/own-host.ts";
import { basicOf, bearerOf, createLimiter, createSecretCheck } from "./access.ts";
import { fault } from "./answer.ts";

/** Authorization checks. Each returns undefined when the request is allowed, else the refusal. */
export interface Authorization {
  /** For what needs neither secret nor token: reading circuits and following their changes. */
  toReader(request: IncomingMessage): Answer | undefined;
  toWebhook(request: IncomingMessage): Answer | undefined;
  toOperator(request: IncomingMessage): Answer | undefined;
}

export interface AuthorizationOptions {
  readonly webhookSecrets: readonly string[];
  readonly basic: string | undefined;
  readonly operatorToken: string | undefined;
  /** Whether operators need no token as long as none is set: then only callers on this machine are served. */
  readonly loopback: boolean;
  /** The host on which the breaker listens. */
  readonly host: string;
  readonly clock: () => number;
}

const WRONG_SECRET =
  "x-spendfuse-secret is missing or wrong: see `spendfuse breaker template`; Alertmanager sends the secret as authorization: Bearer SECRET";

export function createAuthorization({
  webhookSecrets,
  basic,
  operatorToken,
  loopback,
  host,
  clock,
}: AuthorizationOptions): Authorization {
  const isSecret = createSecretCheck(webhookSecrets);
  const isBasic = createSecretCheck(basic === undefined ? [] : [basic]);
  const isToken = createSecretCheck(operatorToken === undefined ? [] : [operatorToken]);
  const guarded = webhookSecrets.length > 0 || basic !== undefined;
  const tokenless = loopback && operatorToken === undefined;
  // Unauthenticated callers have their own limits, so that they cannot slow down authenticated ones.
  const known = createLimiter(200, 1_000);
  const strangers = createLimiter(20, 100);
  const allStrangers = createLimiter(200, 1_000);

  function isKnown({ authorization, "x-spendfuse-secret": secret }: IncomingMessage["headers"]): boolean {
    if (!guarded || isSecret(typeof secret === "string" ? secret : undefined)) return true;
    // Alertmanager's `credentials` may hold spaces, as a webhook secret may.
    return isSecret(/^Bearer (.+)$/i.exec(authorization ?? "")?.[1]) || isBasic(basicOf(authorization));
  }

  function refuse({ socket }: IncomingMessage, why: string): Answer {
    const now = clock();
    const allowed = strangers.take(socket.remoteAddress ?? "", now) && allStrangers.take("", now);
    return allowed ? fault(401, "unauthorized", why) : tooMany();
  }

  /** Whoever needs no credentials must not come by a web page that has its name resolved to this machine. */
  function refuseForeign(request: IncomingMessage): Answer | undefined {
    const foreign = foreignHost(request, [host]);
    if (foreign === undefined) return undefined;
    const message = `a breaker without SPENDFUSE_OPERATOR_TOKEN answers only to names of this machine, not to ${foreign.slice(0, 100)}`;
    return fault(403, "foreign_host", message);
  }

  return {
    toReader(request) {
      return tokenless ? refuseForeign(request) : undefined;
    },
    toWebhook(request) {
      const foreign = guarded ? undefined : refuseForeign(request);
      if (foreign) return foreign;
      if (isKnown(request.headers))
        return known.take(request.socket.remoteAddress ?? "", clock()) ? undefined : tooMany();
      return refuse(request, WRONG_SECRET);
    },
    toOperator(request) {
      if (tokenless) return refuseForeign(request);
      if (isToken(bearerOf(request.headers.authorization))) return undefined;
      return refuse(request, "send authorization: Bearer TOKEN, the operator token");
    },
  };
}

function tooMany(): Answer {
  return { ...fault(429, "rate_limited", "too many requests: wait a second"), headers: { "retry-after": "1" } };
}
