'use strict';
// Filters, sorts and opens what the page already says; without it all of that is still there to read.
(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId('filter');
  const table = byId('table');
  const list = byId('list');
  const status = byId('shown');
  const rows = table ? [...table.tBodies[0].rows] : [];
  const items = list ? [...list.children] : [];
  const grouped = new Intl.NumberFormat('en');

  // What is looked at for every key that is pressed, read from the page once, when it is first needed.
  let index = null;
  let network = '';

  const networkOf = (item) => {
    if (item.dataset.n) return item.dataset.n;
    const address = item.querySelector('b').firstChild.data;
    return address.slice(0, address.lastIndexOf('.')) + '.0/24';
  };

  const readPage = () => {
    const cases = rows.map((row) => ({
      row,
      text: (row.cells[1].textContent + ' ' + row.cells[2].textContent).toLowerCase(),
      severity: Number(row.dataset.s),
      rule: row.dataset.r,
      place: row.cells[4],
      total: Number(row.cells[4].dataset.c),
    }));
    const endpoints = items.map((item) => ({
      item,
      text: (item.firstChild.textContent + ' ' + item.querySelector('dl').textContent).toLowerCase(),
      access: item.dataset.a,
      network: networkOf(item),
      // The suppressed have numbers beyond those of the table.
      cases: Array.from(item.querySelectorAll('a[href^="#c"]'), (link) => Number(link.hash.slice(2)))
        .filter((number) => number < cases.length),
    }));
    return { cases, endpoints };
  };

  const hide = (element, hidden) => {
    if (element.hidden !== hidden) element.hidden = hidden;
  };

  // A finding is shown with the endpoints that have it and fit, an endpoint with any finding that fits.
  const apply = () => {
    index ??= readPage();
    const { cases, endpoints } = index;
    const text = byId('f-text').value.trim().toLowerCase();
    const least = Number(byId('f-severity').value || 0);
    const rule = byId('f-rule').value;
    const access = byId('f-access').value;
    const ofFindings = least > 0 || rule !== '';
    const ofEndpoints = access !== '' || network !== '';
    for (const it of cases) {
      it.fits = it.severity >= least && (rule === '' || it.rule === rule);
      it.hit = text === '' || it.text.includes(text);
      it.count = 0;
    }
    let shownEndpoints = 0;
    for (const it of endpoints) {
      let shown = false;
      if ((access === '' || it.access === access) && (network === '' || it.network === network)) {
        const hit = text === '' || it.text.includes(text);
        shown = hit && !ofFindings;
        for (const number of it.cases) {
          const found = cases[number];
          if (found.fits && (hit || found.hit)) {
            found.count += 1;
            shown = true;
          }
        }
      }
      hide(it.item, !shown);
      shownEndpoints += shown ? 1 : 0;
    }
    let shownCases = 0;
    for (const it of cases) {
      const shown = it.count > 0 || (it.fits && it.hit && !ofEndpoints);
      hide(it.row, !shown);
      shownCases += shown ? 1 : 0;
      if (it.count > 0 && it.count < it.total) {
        it.place.dataset.m = grouped.format(it.count) + ' of these fit';
      } else {
        delete it.place.dataset.m;
      }
    }
    if (table) hide(byId('none'), shownCases > 0);
    say(shownCases, shownEndpoints);
  };

  const say = (cases, endpoints) => {
    const of = (shown, all, what) => (shown === all ? '' : grouped.format(shown) + ' of ') + grouped.format(all) + ' ' + what;
    status.textContent = of(cases, rows.length, 'findings') + ', ' + of(endpoints, items.length, 'endpoints');
  };

  const choose = (chosen) => {
    network = chosen;
    for (const cell of document.querySelectorAll('a.net')) {
      if (cell.dataset.n === chosen) cell.setAttribute('aria-current', 'true');
      else cell.removeAttribute('aria-current');
    }
    const button = byId('f-net');
    button.textContent = 'Network ' + chosen + ' ×';
    button.setAttribute('aria-label', 'Network ' + chosen + ', show all again');
    button.hidden = chosen === '';
  };

  const clear = () => {
    form.reset();
    choose('');
    apply();
  };

  // Sorting.
  const value = {
    severity: (row) => Number(row.dataset.s),
    rule: (row) => row.cells[1].textContent,
    access: (row) => row.cells[3].textContent,
    endpoints: (row) => Number(row.cells[4].dataset.c),
  };
  const first = { severity: -1, rule: 1, access: 1, endpoints: -1 };

  const inOrder = (elements, keyOf, direction) => {
    const keyed = elements.map((element, place) => ({ element, place, key: keyOf(element) }));
    keyed.sort((a, b) => (a.key < b.key ? -direction : a.key > b.key ? direction : a.place - b.place));
    return keyed.map((it) => it.element);
  };

  const refill = (parent, elements) => {
    const all = document.createDocumentFragment();
    for (const element of elements) all.append(element);
    parent.append(all);
  };

  const sortBy = (heading) => {
    const key = heading.dataset.by;
    const now = heading.getAttribute('aria-sort');
    const direction = now === null ? first[key] : now === 'ascending' ? -1 : 1;
    for (const other of heading.parentNode.cells) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending');
    refill(table.tBodies[0], inOrder(rows, value[key], direction));
  };

  // An opened endpoint gets its evidence and fixes beside its findings.
  const fill = (item) => {
    for (const link of item.querySelectorAll('li > a[href^="#c"]')) {
      const row = byId(link.hash.slice(1));
      if (!row || link.parentNode.querySelector('div')) continue;
      const told = document.createElement('div');
      for (const part of row.cells[2].querySelectorAll('b, i, span')) told.append(part.cloneNode(true), ' ');
      const fix = row.cells[2].querySelector('a.fix');
      const remedy = fix && byId(fix.hash.slice(1));
      if (remedy) {
        const closed = document.createElement('details');
        const summary = document.createElement('summary');
        summary.textContent = 'Fix';
        const copy = remedy.cloneNode(true);
        copy.removeAttribute('id');
        closed.append(summary, copy);
        told.append(closed);
      }
      link.parentNode.append(told);
    }
  };

  // What a link leads to is shown, whatever the filter says.
  const reveal = (hash) => {
    const target = /^#[a-z]\d+$/.test(hash) && byId(hash.slice(1));
    if (!target) return;
    if (target.closest('[hidden]')) clear();
    const item = target.closest('details.e');
    if (item) {
      item.open = true;
      item.scrollIntoView();
    } else {
      target.scrollIntoView();
    }
  };

  for (const element of document.querySelectorAll('.scripted')) element.hidden = false;
  form.hidden = rows.length === 0 && items.length === 0;
  say(rows.length, items.length);

  let waiting = 0;
  form.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 60);
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  byId('f-reset').addEventListener('click', (event) => {
    event.preventDefault();
    clear();
  });
  byId('f-net').addEventListener('click', () => {
    const cell = document.querySelector('a.net[aria-current]');
    choose('');
    apply();
    (cell ?? byId('f-text')).focus();
  });
  for (const cell of document.querySelectorAll('a.net')) {
    cell.addEventListener('click', (event) => {
      event.preventDefault();
      choose(cell.dataset.n);
      apply();
      byId('findings').scrollIntoView();
      byId('f-net').focus();
    });
  }
  for (const heading of document.querySelectorAll('th[data-by]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = heading.textContent;
    button.addEventListener('click', () => sortBy(heading));
    heading.replaceChildren(button);
  }
  byId('order')?.addEventListener('change', (event) => {
    // F comes before A, and what has no grade last.
    const grade = (item) => 'FDCBA'.indexOf(item.dataset.g) >>> 0;
    refill(list, event.target.value === 'grade' ? inOrder(items, grade, 1) : items);
  });
  list?.addEventListener('toggle', (event) => {
    if (event.target.open && event.target.classList.contains('e')) fill(event.target);
  }, true);
  addEventListener('hashchange', () => reveal(location.hash));
  reveal(location.hash);
})();
