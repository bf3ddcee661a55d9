// The demo's JSON API through a client whose types are generated from its OpenAPI document. What follows `@ts-expect-error` must
// not compile: a document that says too little would let it.

import assert from "node:assert/strict";

import createClient from "openapi-fetch";

import type { paths } from "./api.js";

const [baseUrl] = process.argv.slice(2);
assert(baseUrl);
const shop = createClient<paths>({ baseUrl });

/** The answer to a call that must succeed. */
function good<T>({ data, error, response }: { data?: T; error?: unknown; response: Response }): T {
  assert.equal(error, undefined);
  assert.equal(response.status, 200);
  assert(data !== undefined);
  return data;
}

const draft = { title: "Typed", author: "A compiler", isbn: "9780000000017", genre: "NOVEL", pages: 12 } as const;
const book = good(await shop.POST("/api/books", { body: draft }));
const id: string | undefined = book.id;
assert(id && /^\d+$/.test(id), "64 bits are text in JSON");
const { genre, pages, title } = book;
assert.deepEqual({ genre, pages, title }, { genre: "NOVEL", pages: 12, title: "Typed" });

const fetched = good(await shop.GET("/api/books/{id}", { params: { path: { id } } }));
assert.deepEqual(fetched, book);
assert(!Number.isNaN(Date.parse(fetched.updateTime ?? "")));

const changed = good(
  await shop.PATCH("/api/books/{id}", {
    params: { path: { id }, query: { updateMask: "pages" } },
    body: { pages: 13 },
  }),
);
assert.deepEqual([changed.pages, changed.title], [13, "Typed"]);

const page = good(await shop.GET("/api/books", { params: { query: { pageSize: 1 } } }));
assert.deepEqual(page.books?.map((one) => one.title), ["Typed"]);
const author = good(await shop.GET("/api/authors/{author}/books", { params: { path: { author: "A compiler" } } }));
assert.equal(author.books?.[0]?.id, id);

assert.deepEqual(good(await shop.DELETE("/api/books/{id}", { params: { path: { id } } })), {});
const { data, error, response } = await shop.GET("/api/books/{id}", { params: { path: { id } } });
assert.equal(data, undefined);
assert.equal(response.status, 404);
assert(error);
const [code, message]: [number | undefined, string | undefined] = [error.code, error.message];
assert.equal(code, 5);
assert(message?.includes(id), message);

assert.equal(good(await shop.POST("/api/add", { body: { a: 1, b: 2 } })).o, 3);

// Never called: only compiled.
export const wrong = [
  // @ts-expect-error there is no such genre
  () => shop.POST("/api/books", { body: { genre: "GARDENING" } }),
  // @ts-expect-error a title is text
  () => shop.POST("/api/books", { body: { title: 1 } }),
  // @ts-expect-error an id is text
  () => shop.GET("/api/books/{id}", { params: { path: { id: 1 } } }),
  // @ts-expect-error the path needs its variable
  () => shop.GET("/api/books/{id}", {}),
  // @ts-expect-error there is no such parameter
  () => shop.GET("/api/books", { params: { query: { size: 1 } } }),
  // @ts-expect-error a field of the answer
  async () => good(await shop.POST("/api/add", { body: {} })).sum,
  // @ts-expect-error there is no such route
  () => shop.PUT("/api/books/{id}", { params: { path: { id } } }),
];
