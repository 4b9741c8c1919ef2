/** One JSON line with what was metered. Preloaded beside `spendfuse/register`, or required by a program. */
module.exports = function report(onCall) {
  const sum = { calls: 0, input: 0, output: 0, priced: 0, agent: "" };
  onCall(({ usage, costUsd, scope }) => {
    sum.calls += 1;
    sum.input += usage?.input ?? 0;
    sum.output += usage?.output ?? 0;
    sum.priced += costUsd > 0 ? 1 : 0;
    sum.agent = scope.agent;
  });
  // Not by console.log, which Jest keeps for its own report.
  return () => process.stdout.write(`${JSON.stringify(sum)}\n`);
};
