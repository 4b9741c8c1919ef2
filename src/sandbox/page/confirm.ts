import { h } from "./dom.ts";

/** What is asked before something is done. */
export interface Question {
  readonly title: string;
  /** What will happen. `amount`: what is entered, where one is asked for. */
  readonly effect: (amount: number) => string;
  /** The word on the button that does it. */
  readonly action: string;
  /** The label of the amount; undefined where none is needed. */
  readonly amount?: { readonly label: string; readonly value: number };
  readonly reasonNeeded: boolean;
}

export interface Confirmed {
  readonly amount: number;
  readonly reason: string;
  readonly by: string;
}

/** Opens a dialog that says what will happen; Escape and Cancel do nothing. `act` rejects with what to show. */
export function confirm(question: Question, act: (given: Confirmed) => Promise<void>): void {
  const before = document.activeElement as HTMLElement | null;
  const { title, effect, action, amount, reasonNeeded } = question;
  const number = h("input", { type: "number", min: "0", step: "any", required: true, value: amount?.value ?? 0 });
  const reason = h("input", { type: "text", maxlength: 500, required: reasonNeeded });
  const by = h("input", { type: "text", maxlength: 200, required: true, autocomplete: "name" });
  by.value = localStorage.getItem("operator") ?? "";
  const what = h("p", { "data-testid": "effect", id: "confirm-effect" }, effect(amount?.value ?? 0));
  const fault = h("p", { class: "fault", role: "alert" });
  number.addEventListener("input", () => what.replaceChildren(effect(Number(number.value))));
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = h(
    "form",
    {
      class: "confirm",
      onsubmit: (event) => {
        event.preventDefault();
        localStorage.setItem("operator", by.value);
        act({ amount: Number(number.value), reason: reason.value.trim(), by: by.value.trim() }).then(
          () => dialog.close(),
          (error: Error) => fault.replaceChildren(error.message),
        );
      },
    },
    h("h2", { id: "confirm-title" }, title),
    what,
    amount !== undefined && h("label", {}, amount.label, number),
    h("label", {}, reasonNeeded ? "Why" : "Why (optional)", reason),
    h("label", {}, "Your name", by),
    fault,
    h("div", { class: "row" }, cancel, h("button", { type: "submit", class: "primary" }, action)),
  );
  const dialog = h("dialog", { "aria-labelledby": "confirm-title", "aria-describedby": "confirm-effect" }, form);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
