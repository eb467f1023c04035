// A client that uses the types that were generated from examples/todo.py and examples/chat.py.

import type { components, operations, paths } from "./todo";
import type { Joined, Leave, Left, Said, Say } from "./chat";

type Todo = components["schemas"]["Todo"];

const added: paths["/todos"]["post"]["requestBody"]["content"]["application/json"] = { title: "Milk", priority: 1 };
const query: operations["todos_get"]["parameters"]["query"] = { done: false, limit: 5 };
const path: operations["todos_change"]["parameters"]["path"] = { id: 3 };

export function title(response: operations["todos_read"]["responses"][200]["content"]["application/json"]): string {
  const todo: Todo = response;
  return `${todo.title} ${todo.priority} ${todo.id} ${todo.done}`;
}

export function detail(problem: components["schemas"]["Problem"]): string[] {
  return problem.errors?.map((error) => `${error.pointer ?? error.parameter}: ${error.detail}`) ?? [problem.title];
}

// @ts-expect-error: a title is text
const wrong: paths["/todos"]["post"]["requestBody"]["content"]["application/json"] = { title: 3 };
// @ts-expect-error: there is no such operation
type Nothing = operations["todos_sing"];

type Command = Say | Leave;
type Event = Joined | Said | Left;

export function shown(event: Event): string {
  switch (event.type) {
    case "said":
      return `${event.who}: ${event.text}`;
    case "joined":
    case "left":
      return event.who;
  }
}

const command: Command = { type: "say", text: "Hello!" };
// @ts-expect-error: shouting is not a command
const shout: Command = { type: "shout", text: "Hello!" };

export { added, query, path, wrong, command, shout };
export type { Nothing };
