// A page that has moved: on to its new address, with what the old one asked for.
const { to, also } = document.currentScript.dataset;
const target = new URL(to, location.href);
for (const [key, value] of [...new URLSearchParams(also), ...new URLSearchParams(location.search)]) target.searchParams.set(key, value);
target.hash = location.hash;
location.replace(target);
