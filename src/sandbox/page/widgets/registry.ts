export { manageStatus } from "./manage-status.ts";
export { note } from "./note.ts";
export { queryTable } from "./query-table.ts";
export { queryValue } from "./query-value.ts";
export { sunburst } from "./sunburst.ts";
export { timeseries } from "./timeseries.ts";
export { toplist } from "./toplist.ts";
export { treemap } from "./treemap.ts";
