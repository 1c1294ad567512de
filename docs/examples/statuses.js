// Follows a file's status in a browser. `EventSource` cannot send a key, and a key must never be part
// of an address; `fetch` can, and reads the same stream. No dependencies: take it as it is.
//
//   for await (const status of statuses(url, { apiKey })) show(status);
//
// `url` is that of …/files/{file_id}/status/stream.

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Yields the current status, then each newer one that there is time for; ends after `completed`
 * or `failed`. Comes back by itself when the connection is lost or the service restarts, and is
 * then told what is newer than the last status it was given.
 *
 * Throws when asking again would not help: `RefusedError`, or the `AbortError` of `signal`.
 */
export async function* statuses(url, { apiKey, signal } = {}) {
  const reader = { lastEventId: undefined, pauseMs: FIRST_PAUSE_MS };
  for (let failures = 0; ; ) {
    try {
      const response = await ask(url, { apiKey, signal, lastEventId: reader.lastEventId });
      if (response.status === 204) return;
      if (response.ok) {
        for await (const status of told(response.body, reader)) {
          failures = 0;
          yield status;
          if (status.status === "completed" || status.status === "failed") return;
        }
      } else {
        failures += 1;
        reader.pauseMs = 1_000 * Number(response.headers.get("Retry-After") ?? 1);
      }
    } catch (error) {
      if (signal?.aborted || error instanceof RefusedError) throw error;
      failures += 1;
    }
    const pauseMs = reader.pauseMs * 2 ** Math.max(0, failures - 1);
    await pause(Math.min(pauseMs, LONGEST_PAUSE_MS), signal);
  }
}

/** The request was understood and refused; `problem` is the error of the envelope. */
export class RefusedError extends Error {
  constructor(problem) {
    super(problem.message);
    this.name = "RefusedError";
    this.problem = problem;
  }
}

async function ask(url, { apiKey, signal, lastEventId }) {
  const headers = { Accept: "text/event-stream", "X-API-Key": apiKey };
  if (lastEventId !== undefined) headers["Last-Event-ID"] = lastEventId;
  const response = await fetch(url, { headers, signal, cache: "no-store" });
  const isWorthAnotherTry = response.status === 429 || response.status >= 500;
  if (!response.ok && !isWorthAnotherTry) throw new RefusedError((await response.json()).error);
  return response;
}

/** Yields the statuses of one response, and notes what the next request has to know. */
async function* told(body, reader) {
  for await (const { id, data, retry } of events(body)) {
    if (retry !== undefined) reader.pauseMs = Number(retry);
    if (data === undefined) continue;
    reader.lastEventId = id;
    yield JSON.parse(data);
  }
}

/** Yields the fields of each block of a stream, comments left out. */
async function* events(body) {
  const chunks = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await chunks.read();
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) yield fields(block);
    }
  } finally {
    await chunks.cancel();
  }
}

function fields(block) {
  const found = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) found[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, "");
  }
  return found;
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), {
      once: true,
    });
  });
}
