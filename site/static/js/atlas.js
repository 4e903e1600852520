// Starts what a page asks for: data-feature="jump" runs the default export of jump.js with that element.
for (const element of document.querySelectorAll("[data-feature]")) {
  for (const name of element.dataset.feature.split(" ")) {
    import(`./${name}.js`).then((feature) => feature.default(element));
  }
}
