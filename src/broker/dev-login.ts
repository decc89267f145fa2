import type { Login } from "./login.ts";
import { escapeHtml } from "../base/page.ts";

/** The people of a development machine. They need no password because the broker is loopback-only. */
const people = [
  { sub: "alice", name: "Alice Example", department: "engineering" },
  { sub: "bob", name: "Bob Example", department: "contractors" },
] as const;

export const devLogin: Login = async ({ form, action, csrfField }) => {
  const chosen = people.find(({ sub }) => sub === form?.get("user"));
  if (chosen) {
    const { sub, name, department } = chosen;
    const claims = { name, email: `${sub}@example.com`, department };
    return { kind: "account", account: { sub, name, claims } };
  }
  const choices = people.map(
    ({ sub, name, department }) => `<button class="choice" name="user" value="${sub}">
  <strong>${escapeHtml(name)}</strong>
  <span>${escapeHtml(`${sub} · ${department}`)}</span>
</button>`,
  );
  return {
    kind: "page",
    title: "Sign in",
    main: `<h1>Sign in</h1>
<p>This is the development login of Tollgate. Choose who you want to be; no password is needed.</p>
<form method="post" action="${action}">
${csrfField}
${choices.join("\n")}
</form>`,
  };
};
