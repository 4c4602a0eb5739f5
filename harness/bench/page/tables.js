// tables.js - sorts a table by the head that is clicked, and shows of all the
// tables only the rows that have what is typed.  Nothing else needs it.
'use strict';
document.querySelectorAll('table').forEach(function (table) {
    const body = table.tBodies[0];
    const heads = table.tHead ? Array.from(table.tHead.rows[0].cells) : [];

    // A row, and those below it that only say more about it.
    function groups() {
        const all = [];
        Array.from(body.rows).forEach(function (row) {
            if (row.cells[0].tagName === 'TH' || all.length === 0)
                all.push([]);
            all[all.length - 1].push(row);
        });
        return all;
    }

    // The text of a cell; '' where there is none.
    function text(group, column) {
        const cell = group[0].cells[column];
        return cell ? cell.textContent.trim() : '';
    }

    // By number where both begin with one; what has none comes last, either way.
    function compare(a, b, down) {
        const x = parseFloat(a), y = parseFloat(b);
        if (isNaN(x) !== isNaN(y))
            return isNaN(x) - isNaN(y);
        return (isNaN(x) ? a.localeCompare(b) : x - y) * (down ? -1 : 1);
    }

    heads.forEach(function (head, column) {
        head.className += ' sorts';
        head.title = 'sort by ' + (head.textContent || 'name');
        head.addEventListener('click', function () {
            const down = head.getAttribute('aria-sort') === 'ascending';
            heads.forEach(function (h) { h.removeAttribute('aria-sort'); });
            head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
            groups().sort(function (a, b) {
                return compare(text(a, column), text(b, column), down);
            }).forEach(function (group) { body.append(...group); });
        });
    });

    document.addEventListener('input', function (event) {
        const wanted = event.target.value.toLowerCase();
        groups().forEach(function (group) {
            const words = group.map(function (r) { return r.textContent; });
            const hidden = heads.length > 0 &&
                !words.join(' ').toLowerCase().includes(wanted);
            group.forEach(function (row) { row.hidden = hidden; });
        });
    });
});
const label = document.createElement('label');
label.append('rows with ', document.createElement('input'));
document.querySelector('nav').append(label);
