/** Requests from the sandbox that serves this page. Rejects with its error message. */
export async function ask<T>(path: string, body?: unknown): Promise<T> {
  const options =
    body === undefined
      ? {}
      : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  const answer = (await response.json()) as T & {
    readonly errors?: readonly string[];
    readonly error?: { readonly message?: string };
  };
  if (!response.ok)
    throw new Error(answer.errors?.join("; ") ?? answer.error?.message ?? `answered ${response.status}`);
  return answer;
}
