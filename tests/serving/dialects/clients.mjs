// Node clients of Perspective: `node clients.mjs URL` prints what each of them reads, as JSON.

const [url] = process.argv.slice(2);
const text = "🤡 You clown! Thank you. 👍🏽 See you 😀";

// Coral 9: custom endpoint plus path, key in the query, one attribute, HTML stripped, no redirects, 800 ms.
async function coral(body, path = "comments:analyze") {
  const endpoint = new URL(`${url}/v1alpha1/${path}`);
  endpoint.searchParams.set("key", "any");
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json", "User-Agent": "Coral Perspective/9.11.8" },
    body: JSON.stringify(body),
    redirect: "error",
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

// npm perspective-api-client 3: tags stripped, names in capitals, doNotStore unless told otherwise.
async function perspectiveApiClient(comment, options = {}) {
  const { attributes = ["TOXICITY"], ...more } = options;
  const requestedAttributes = Object.fromEntries(attributes.map((name) => [name.toUpperCase(), {}]));
  const response = await fetch(`${url}/v1alpha1/comments:analyze?key=any`, {
    method: "POST",
    headers: { Accept: "application/json, text/plain, */*", "Content-Type": "application/json;charset=utf-8" },
    body: JSON.stringify({
      comment: { text: comment.replace(/<[^>]*>/g, "") },
      requestedAttributes,
      doNotStore: true,
      ...more,
    }),
  });
  const data = await response.json();
  if (response.status >= 300) throw new Error(data.error.message);
  return data;
}

const refused = (call) => call.then(() => "no error", (error) => error.message);

const toxic = await coral({
  comment: { text },
  doNotStore: true,
  requestedAttributes: { TOXICITY: {} },
  languages: ["en"],
});
const feedback = {
  comment: { text },
  context: { entries: [{ text: JSON.stringify({ url: "https://news.example/1", Coral_comment_id: "c1" }) }] },
  attributeScores: { TOXICITY: { summaryScore: { value: 1 } } },
  languages: ["en"],
  communityId: "Coral:https://news.example",
  clientToken: "comment:c1",
};
const spans = (await perspectiveApiClient(`<p>${text}</p>`, { attributes: ["insult"], spanAnnotations: true }))
  .attributeScores.INSULT.spanScores;
// A preview cut in the middle of an emoji, as String.slice does: JSON.stringify sends half of it.
const cut = await perspectiveApiClient(text.slice(0, 1) + " half", { clientToken: text.slice(0, 1) });
// A page elsewhere: no Content-Type of JSON, so that no preflight is needed.
const page = await fetch(`${url}/v1alpha1/comments:analyze?key=any`, {
  method: "POST",
  body: JSON.stringify({ comment: { text }, requestedAttributes: { TOXICITY: null } }),
});

console.log(
  JSON.stringify({
    coral: toxic.attributeScores.TOXICITY.summaryScore.value,
    coralSpan: toxic.attributeScores.TOXICITY.spanScores.map(({ begin, end }) => [begin, end]),
    length: text.length,
    feedback: (await coral(feedback, "comments:suggestscore")).clientToken,
    coralError: await refused(coral({ comment: { text: "" } })),
    sentences: spans.map(({ begin, end }) => text.slice(begin, end)),
    cut: cut.attributeScores.TOXICITY.spanScores[0].end,
    cutToken: cut.clientToken.length,
    page: [page.status, page.headers.get("content-type")],
    clientError: await refused(perspectiveApiClient("x", { attributes: ["wit"] })),
  }),
);
