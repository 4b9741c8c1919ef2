/** Whether a comparison holds. False for an unknown comparator and for NaN. */
export function holds(value: number, comparator: string, limit: number): boolean {
  switch (comparator) {
    case ">":
      return value > limit;
    case ">=":
      return value >= limit;
    case "<":
      return value < limit;
    case "<=":
      return value <= limit;
    default:
      return comparator === "=" && value === limit;
  }
}
