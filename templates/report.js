'use strict';
// Filters, sorts and opens what the page already says; without it all of that is still there to read.
(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId('filter');
  const table = byId('table');
  const list = byId('list');
  const status = byId('shown');
  const rows = table ? [...table.tBodies[0].rows] : [];
  const items = list ? [...list.getElementsByClassName('e')] : [];
  const numberOf = new Map(items.map((item, number) => [item, number]));
  const grouped = new Intl.NumberFormat('en');

  const numbersIn = (element, selector, from) =>
    Array.from(element.querySelectorAll(selector), (link) => Number(link.hash.slice(2))).filter((it) => it < from);

  // What all evidence of a row begins and ends with, where it differs from endpoint to endpoint.
  const frameOf = (row) => Array.from(row.cells[2].querySelectorAll('q'), (it) => it.textContent);

  const inFrame = (text, [before, after]) => {
    const from = before && text.startsWith('… ') ? 2 : 0;
    const to = after && text.endsWith(' …') ? -2 : text.length;
    return (before ?? '') + text.slice(from, to) + (after ?? '');
  };

  // What is looked at for every key that is pressed. It is read from the page while there is nothing else to
  // do, and what is not yet read, when it is first needed.
  const cases = rows.map((row) => ({
    row,
    text: (row.cells[1].textContent + ' ' + row.cells[2].textContent).toLowerCase(),
    frame: frameOf(row),
    severity: Number(row.dataset.s),
    rule: row.dataset.r,
    place: row.cells[4],
    total: Number(row.cells[4].dataset.c),
  }));
  // Suppressed findings have numbers beyond those of the table.
  const sets = Array.from(document.querySelectorAll('.alike'), (set) => numbersIn(set, 'a', cases.length));
  const endpoints = [];
  let network = '';

  const readEndpoint = (item) => {
    const { a, n } = item.dataset;
    const summary = item.firstChild;
    const facts = item.lastChild.firstChild;
    const address = summary.firstChild.firstChild.data;
    const set = facts.querySelector('a[href^="#g"]');
    const own = [];
    for (let it = facts.nextSibling?.firstChild; it; it = it.nextSibling) {
      const number = Number(it.firstChild.hash.slice(2));
      if (number >= cases.length) continue;
      // Its subject and its evidence, or else the row has both.
      const evidence = it.lastChild.tagName === 'P' ? it.lastChild : null;
      const subject = evidence?.firstElementChild?.textContent ?? '';
      const text = evidence ? subject + ' ' + inFrame(evidence.lastChild?.data ?? '', cases[number].frame) : '';
      own.push({ number, text: text.toLowerCase() });
    }
    return {
      text: (summary.textContent + ' ' + facts.textContent).toLowerCase(),
      access: a,
      network: n ?? address.slice(0, address.lastIndexOf('.')) + '.0/24',
      shared: set ? sets[set.hash.slice(2)] : [],
      own,
      shown: true,
    };
  };

  const readOn = (goesOn) => {
    while (endpoints.length < items.length && goesOn()) endpoints.push(readEndpoint(items[endpoints.length]));
  };

  const whenIdle = window.requestIdleCallback ?? ((call) => setTimeout(call, 20, { timeRemaining: () => 0 }));
  const readInSpareTime = (spare) => {
    const end = endpoints.length + 50;
    readOn(() => endpoints.length < end || spare.timeRemaining() > 2);
    if (endpoints.length < items.length) whenIdle(readInSpareTime);
  };

  const hide = (element, hidden) => {
    if (element.hidden !== hidden) element.hidden = hidden;
  };

  // A finding is shown with the endpoints that have it and fit, an endpoint with any finding that fits.
  const apply = () => {
    readOn(() => true);
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
      it.last = null;
    }
    let shownEndpoints = 0;
    for (const it of endpoints) {
      it.shown = false;
      if ((access !== '' && it.access !== access) || (network !== '' && it.network !== network)) continue;
      const hit = text === '' || it.text.includes(text);
      it.shown = hit && !ofFindings;
      const count = (number, ownHit) => {
        const found = cases[number];
        if (!found.fits || !(hit || found.hit || ownHit)) return;
        it.shown = true;
        // It may have one finding twice.
        found.count += found.last === it ? 0 : 1;
        found.last = it;
      };
      for (const number of it.shared) count(number, false);
      for (const own of it.own) count(own.number, own.text !== '' && own.text.includes(text));
      shownEndpoints += it.shown ? 1 : 0;
    }
    fitBlocks();
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

  // A block of which nothing fits is hidden as one, and its endpoints are left alone. A block that is out of
  // sight is as high as its endpoints are when they are closed.
  const fitBlocks = () => {
    for (const block of list?.children ?? []) {
      const fits = Array.from(block.children, (item) => endpoints[numberOf.get(item)]?.shown ?? true);
      const shown = fits.filter(Boolean).length;
      hide(block, shown === 0);
      if (shown === 0) continue;
      fits.forEach((fit, place) => hide(block.children[place], !fit));
      block.style.containIntrinsicSize = shown === fits.length ? '' : 'auto none auto ' + shown * 1.95 + 'rem';
    }
  };

  const say = (shownCases, shownEndpoints) => {
    const of = (shown, all, what) => (shown === all ? '' : grouped.format(shown) + ' of ') + grouped.format(all) + ' ' + what;
    status.textContent = of(shownCases, rows.length, 'findings') + ', ' + of(shownEndpoints, items.length, 'endpoints');
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

  const sortBy = (heading) => {
    const key = heading.dataset.by;
    const now = heading.getAttribute('aria-sort');
    const direction = now === null ? first[key] : now === 'ascending' ? -1 : 1;
    for (const other of heading.parentNode.cells) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending');
    table.tBodies[0].append(...inOrder(rows, value[key], direction));
  };

  const orderBy = (order) => {
    // F comes before A, and what has no grade last.
    const grade = (item) => 'FDCBA'.indexOf(item.dataset.g) >>> 0;
    const ordered = order === 'grade' ? inOrder(items, grade, 1) : items;
    const blocks = [...list.children];
    const size = blocks[0].childElementCount;
    blocks.forEach((block, number) => block.replaceChildren(...ordered.slice(number * size, (number + 1) * size)));
    fitBlocks();
  };

  // An opened endpoint gets its findings with evidence and fix.
  const fill = (item) => {
    const body = item.lastChild;
    if (body.classList.contains('filled')) return;
    body.classList.add('filled');
    // The filter looks at what is the endpoint's own, so that must have been read.
    readOn(() => true);
    const set = body.querySelector('dl a[href^="#g"]');
    if (set) body.append(byId(set.hash.slice(1)).querySelector('ul').cloneNode(true));
    for (const link of body.querySelectorAll('li > a[href^="#c"]')) tell(link.parentNode, byId(link.hash.slice(1)));
  };

  const tell = (place, row) => {
    const evidence = row.cells[2];
    const told = document.createElement('div');
    told.append(evidence.querySelector('b').cloneNode(true), ' ');
    // What is its own stands there already.
    const own = place.querySelector('p');
    if (own) {
      const words = own.lastChild;
      if (words?.data) words.data = inFrame(words.data, frameOf(row));
      told.append(own);
    }
    else for (const part of evidence.querySelectorAll('i, span')) told.append(part.cloneNode(true), ' ');
    const fix = evidence.querySelector('a.fix');
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
    place.append(told);
  };

  // What is to be pasted gets a button that copies it.
  const spoken = document.createElement('p');
  spoken.className = 'quiet';
  spoken.setAttribute('role', 'status');
  document.body.append(spoken);

  const offerCopy = (pre) => {
    const box = document.createElement('div');
    box.className = 'paste';
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', 'Copy: ' + pre.textContent.trim().split('\n')[0].slice(0, 80));
    pre.replaceWith(box);
    box.append(pre, button);
  };

  const copy = async (button) => {
    const pre = button.parentNode.querySelector('pre');
    let said = 'Copied';
    try {
      // Without the last line's end, since a shell would begin at once.
      await navigator.clipboard.writeText(pre.textContent.trimEnd());
    } catch {
      // A page from a file may not be allowed to.
      getSelection().selectAllChildren(pre);
      if (!document.execCommand('copy')) said = 'Selected, copy it now';
    }
    button.textContent = said;
    spoken.textContent = said;
    setTimeout(() => {
      button.textContent = 'Copy';
      spoken.textContent = '';
    }, 4000);
  };

  // What a link leads to is shown, whatever the filter says.
  const reveal = (hash) => {
    const target = /^#[a-z]\d+$/.test(hash) && byId(hash.slice(1));
    if (!target) return;
    if (target.closest('[hidden]')) clear();
    const closed = target.closest('details');
    if (closed) closed.open = true;
    (closed ?? target).scrollIntoView();
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
  byId('order')?.addEventListener('change', (event) => orderBy(event.target.value));
  document.querySelectorAll('.remedy pre').forEach(offerCopy);
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button.copy');
    if (button) copy(button);
  });
  list?.addEventListener('toggle', (event) => {
    if (event.target.open && event.target.classList.contains('e')) fill(event.target);
  }, true);
  addEventListener('hashchange', () => reveal(location.hash));
  reveal(location.hash);
  whenIdle(readInSpareTime);
})();
