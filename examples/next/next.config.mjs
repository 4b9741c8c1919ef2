// Left out of the bundle: what --import loads and what the app imports must be one copy.
export default { serverExternalPackages: ["spendfuse"] };
