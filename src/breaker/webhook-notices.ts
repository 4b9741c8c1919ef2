/** Logs what happened to webhooks, at most once a minute for each kind: a silent breaker looks healthy. */
export interface WebhookNotices {
  refused(why: string): void;
  ignored(why: string): void;
}

const SAY_EVERY_MS = 60_000;

export function createWebhookNotices(clock: () => number, say: (message: string) => void): WebhookNotices {
  return { refused: createNotice("refused", clock, say), ignored: createNotice("ignored", clock, say) };
}

function createNotice(what: string, clock: () => number, say: (message: string) => void): (why: string) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (why) => {
    count += 1;
    const now = clock();
    if (now - saidAt < SAY_EVERY_MS) return;
    saidAt = now;
    say(`a webhook was ${what}: ${why}; ${count} so far`);
  };
}
