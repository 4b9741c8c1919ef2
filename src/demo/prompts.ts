const RULES = [
  "Read the question twice before you answer it, and say which part of it you answer.",
  "Prefer a source that was written this year; name the source and the date next to each figure.",
  "When two sources disagree, give both figures and say which one you trust and why.",
  "Never guess a price. If a price cannot be found, say so and name the place where it would be found.",
  "Write short sentences. One thought in each. No headings, no lists longer than five lines.",
  "Distances are in kilometres, money is in euros, times are local times of the place they are about.",
  "A train is preferred to a plane when it takes less than six hours from door to door.",
  "Hotels are within fifteen minutes on foot of a station, and cost less than 160 euros a night.",
  "Do not repeat the question. Do not apologise. Do not end with an offer of further help.",
  "If the answer would be longer than two paragraphs, give the result first and the reasons after it.",
];

/** A system prompt of the length that agents really have: long enough to be cached by both vendors. */
export const HANDBOOK = Array.from(
  { length: 120 },
  (_, index) => `Rule ${index + 1}. ${RULES[index % RULES.length]}`,
).join("\n");

export const QUESTIONS: readonly string[] = [
  "Which night trains run from Vienna to the sea in September, and what does a bed for two cost on each of them?",
  "We are five people with one dog and want to walk for a week in the Dolomites. Where do we start, and where do we sleep?",
  "Compare a long weekend in Porto with one in Trieste for somebody who likes books, coffee and bad weather.",
];

/** Pages of different lengths, as a browsing agent feeds them to a model. */
export const PAGES: readonly string[] = [HANDBOOK.slice(0, 2_400), HANDBOOK.slice(0, 4_100), HANDBOOK.slice(0, 1_500)];
