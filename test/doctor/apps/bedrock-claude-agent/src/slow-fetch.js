/** A pause before each request. */
export async function slowFetch(...request) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return fetch(...request);
}
