// Starts what a page asks for: data-feature="table" runs the default export of table.js with that element.
for (const element of document.querySelectorAll("[data-feature]")) {
  for (const name of element.dataset.feature.split(" ")) {
    import(`./${name}.js`).then((feature) => feature.default(element));
  }
}
