// What must be known before a page is painted: an embedded page, light or dark. The script of the theme, which written
// pages load, calls the functions; they are here as a file, so that no page needs inline scripts.
globalThis.__md_scope = new URL("..", document.currentScript.src);
globalThis.__md_hash = (text) => [...text].reduce((hash, one) => (hash << 5) - hash + one.charCodeAt(0), 0);
globalThis.__md_get = (key, storage = localStorage, scope = globalThis.__md_scope) => JSON.parse(storage.getItem(`${scope.pathname}.${key}`));
globalThis.__md_set = (key, value, storage = localStorage, scope = globalThis.__md_scope) => {
  try {
    storage.setItem(`${scope.pathname}.${key}`, JSON.stringify(value));
  } catch { /* a full or forbidden storage keeps nothing */ }
};

// Browsers run no modules from a disk: there, a page is what it is without scripts.
if (location.protocol === "file:") document.documentElement.classList.add("on-disk");
else document.documentElement.classList.replace("no-js", "js");
if (new URLSearchParams(location.search).get("embed")) document.documentElement.classList.add("embed");
// A search or a comparison: what it asks for, so that nothing moves when its results come.
const { q, a, in: group } = Object.fromEntries(new URLSearchParams(location.search));
document.documentElement.classList.toggle("asked", Boolean(q || a));
if (group) document.documentElement.dataset.in = group;

const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "slate" : "default";
document.body.dataset.mdColorScheme = globalThis.__md_get("scheme") ?? preferred;
