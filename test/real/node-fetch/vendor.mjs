// The vendor of undici's behaviours, beside which this folder is put: its paths are the same.
export { startVendor } from "../undici/vendor.mjs";
