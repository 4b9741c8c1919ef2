/** Of Bedrock's ARNs, those whose last part is a model's own id. */
const BY_MODEL = new Set(["foundation-model", "inference-profile"]);

/**
 * The model that a path of Bedrock names, which may be an ARN. `us.anthropic.claude-opus-5` for a model or a profile of
 * AWS; the resource, such as `application-inference-profile/abc`, for one of the account's own.
 */
export function modelIdOf(named: string | undefined): string | undefined {
  if (named === undefined || !named.startsWith("arn:")) return named;
  const resource = named.split(":").slice(5).join(":");
  const slash = resource.indexOf("/");
  return BY_MODEL.has(resource.slice(0, slash)) ? resource.slice(slash + 1) : resource || named;
}
