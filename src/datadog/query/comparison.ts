/** Whether a value lies where a comparison says. Nothing holds for a comparator that there is not, or for no number. */
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
