"use strict";
(function () {
  const box = document.getElementById("filter");
  if (!box) return;
  const said = document.getElementById("found");
  const rows = Array.from(document.querySelectorAll("#list tbody tr"), (row) => [row, row.textContent.toLowerCase()]);
  const show = function () {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const [row, text] of rows) {
      const fits = words.every((word) => text.includes(word));
      row.hidden = !fits;
      left += fits;
    }
    said.textContent = words.length ? left + " of " + rows.length + " shown" : rows.length + " rows";
  };
  const keep = function () {
    const query = box.value ? "?q=" + encodeURIComponent(box.value) : location.pathname.split("/").pop() || "./";
    try { history.replaceState(null, "", query + location.hash); } catch (error) { /* a file may not change its address */ }
  };
  box.addEventListener("input", function () { show(); keep(); });
  box.value = new URLSearchParams(location.search).get("q") || "";
  document.getElementById("filtering").hidden = false;
  show();
  if (box.value) document.getElementById("metrics").scrollIntoView();
})();
