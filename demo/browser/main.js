// The page: which protocol, the books, a new one, and the server's health as it changes.
import { CallError, clients } from "./shop.js";

const page = document.querySelector("#browser");
const protocol = page.querySelector("select");
const rows = page.querySelector("tbody");
const form = page.querySelector("form");
const said = page.querySelector("[role=status]");
const health = page.querySelector("output");
const all = clients(page.dataset.server || location.origin);
let watching = new AbortController();

function client() {
  return all[protocol.value];
}

// Answers may come in another order than they were asked for: the one that was asked for last is shown.
let asked = 0;

async function list() {
  const mine = ++asked;
  const { books } = await client().listBooks({ pageSize: 100 });
  if (mine !== asked) {
    return;
  }
  rows.replaceChildren(
    ...books.map((book) => {
      const row = document.createElement("tr");
      for (const text of [book.title, book.author, book.isbn]) {
        row.insertCell().textContent = text;
      }
      return row;
    }),
  );
}

async function add() {
  const { pages, ...texts } = Object.fromEntries(new FormData(form));
  const created = await client().createBook({ book: { ...texts, pages: Number(pages) } });
  await list();
  said.textContent = `“${created.title}” is on the shelf.`;
}

// The stream lasts until another protocol is chosen, or the page is left.
async function watch() {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  health.value = "";
  try {
    for await (const status of client().watchHealth(signal)) {
      health.value = status;
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
}

// What a call was refused for is told on the page, whatever else goes wrong in the browser's console.
async function told(action) {
  said.textContent = "";
  try {
    await action();
  } catch (error) {
    if (!(error instanceof CallError)) {
      throw error;
    }
    const violations = error.violations.map(({ field, description }) => `${field}: ${description}`);
    said.textContent = [`${error.code}: ${error.message}`, ...violations].join("\n");
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void told(add);
});
protocol.addEventListener("change", () => {
  void told(list);
  void watch();
});
void told(list);
void watch();
