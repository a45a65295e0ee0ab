// The script of a report: tables of every number, and a picture where one helps. It makes everything from
// the JSON in this page, as text, and loads nothing.
'use strict';
(function () {
    const items = JSON.parse(document.getElementById('data').textContent);
    const main = document.getElementById('main');
    const root = document.documentElement;
    const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#b8a000', '#8d6bb8'];
    const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];
    const pictures = [];

    function make(name, parent, text, kind) {
        const element = document.createElement(name);
        if (text !== undefined)
            element.textContent = text;
        if (kind)
            element.className = kind;
        parent.append(element);
        return element;
    }

    // A number as it is in the JSON, and nothing else.
    function words(value) {
        return value === null || value === undefined ? '–' : typeof value === 'object' ? JSON.stringify(value)
            : String(value);
    }

    // With `judged`, true is good and false is bad.
    function table(parent, titles, rows, judged) {
        const element = make('table', make('div', parent, undefined, 'wide'));
        const head = make('tr', make('thead', element));
        const body = make('tbody', element);
        // The title of a column stands where its values do.
        const texts = titles.map(function (title, i) {
            const text = rows.length > 0 && rows.every(function (row) { return typeof row[i] === 'string'; });
            make('th', head, title, text ? 'text' : '');
            return text;
        });
        rows.forEach(function (row) {
            const line = make('tr', body);
            row.forEach(function (value, i) {
                const kind = texts[i] ? 'text' : !judged ? '' : value === true ? 'good' : value === false ? 'bad' : '';
                make('td', line, value === true ? 'yes' : value === false ? 'no' : words(value), kind);
            });
        });
        return element;
    }

    function pairs(parent, object) {
        table(parent, ['name', 'value'], Object.entries(object).filter(function (entry) {
            return entry[1] === null || typeof entry[1] !== 'object';
        }));
    }

    // Rows of objects, a column for each name.
    function records(parent, list) {
        const names = [];
        list.forEach(function (record) {
            Object.keys(record).forEach(function (name) {
                if (names.indexOf(name) < 0 && (record[name] === null || typeof record[name] !== 'object'))
                    names.push(name);
            });
        });
        // Few records of many values: a column for each record, which fits on a telephone and on paper.
        if (list.length <= 6 && names.length > 12)
            table(parent, [names[0]].concat(list.map(function (record) { return words(record[names[0]]); })),
                names.slice(1).map(function (name) {
                    return [name].concat(list.map(function (record) { return record[name]; }));
                }));
        else
            table(parent, names, list.map(function (record) {
                return names.map(function (name) { return record[name]; });
            }));
    }

    // Every number of a value, by its path.
    function flat(value, path, rows) {
        if (value !== null && typeof value === 'object')
            Object.keys(value).forEach(function (name) {
                flat(value[name], path === '' ? name : path + '.' + name, rows);
            });
        else
            rows.push([path, value]);
        return rows;
    }

    function colour(name) {
        return getComputedStyle(root).getPropertyValue(name).trim();
    }

    // The first and the last place of the lines: the picture ends where they do.
    function ends(picture) {
        if (picture.type === 'bar')
            return {};
        const all = [];
        picture.lines.forEach(function (one) {
            if (one.data.length > 0)
                all.push(one.data[0].x, one.data[one.data.length - 1].x);
        });
        return { min: Math.min.apply(null, all), max: Math.max.apply(null, all) };
    }

    function draw(picture) {
        const text = colour('--faint'), line = colour('--line'), type = picture.type;
        function axis(title, log, stacked, category) {
            return { type: category ? 'category' : log ? 'logarithmic' : 'linear', stacked: stacked,
                title: { display: title !== '', text: title, color: text }, ticks: { color: text }, grid: { color: line } };
        }
        if (picture.chart)
            picture.chart.destroy();
        picture.chart = new Chart(picture.canvas, {
            type: type,
            data: { labels: picture.labels, datasets: picture.lines.map(function (one, i) {
                const shade = COLOURS[i % COLOURS.length];
                return { label: one.label, data: one.data, borderColor: shade, spanGaps: false,
                    backgroundColor: type === 'bar' ? shade : shade + '99', fill: picture.stacked ? i === 0 ? 'origin' : '-1' : false, borderWidth: 1.5,
                    borderDash: DASHES[Math.floor(i / COLOURS.length) % DASHES.length],
                    pointRadius: picture.points ? 3 : 0 };
            }) },
            options: { animation: false, responsive: true, maintainAspectRatio: false,
                interaction: { mode: 'nearest', intersect: false, axis: 'x' },
                plugins: { legend: { labels: { color: colour('--text'), boxWidth: 14 } } },
                scales: { x: Object.assign(axis(picture.x, picture.logX, false, type === 'bar'), ends(picture)),
                    y: Object.assign(axis(picture.y, picture.log, !!picture.stacked), picture.log ? {} : { beginAtZero: true }) } }
        });
    }

    // A picture, and below it the numbers that it shows.
    function picture(parent, title, options) {
        const figure = make('figure', parent);
        make('figcaption', figure, title);
        if (typeof Chart !== 'undefined') {
            options.canvas = make('canvas', make('div', figure, undefined, 'canvas'));
            options.canvas.setAttribute('role', 'img');
            options.canvas.setAttribute('aria-label', title);
            pictures.push(options);
        }
        const details = make('details', figure);
        make('summary', details, 'the numbers');
        details.addEventListener('toggle', function () {
            if (details.open && details.childElementCount === 1)
                numbers(details, options);
        });
    }

    function numbers(parent, options) {
        const at = options.labels || options.lines[0].data.map(function (point) { return point.x; });
        table(parent, [options.x].concat(options.lines.map(function (one) { return one.label; })),
            at.map(function (x, i) {
                return [x].concat(options.lines.map(function (one) {
                    const value = one.data[i];
                    return value !== null && typeof value === 'object' ? value.y : value;
                }));
            }));
    }

    function bars(parent, title, unit, labels, lines, log) {
        if (lines.some(function (one) { return one.data.some(function (value) { return value > 0; }); }))
            picture(parent, title, { type: 'bar', x: '', y: unit, labels: labels, lines: lines, log: log });
    }

    function column(list, name) {
        return { label: name, data: list.map(function (one) { return one[name]; }) };
    }

    function run(parent, data) {
        const tasks = data.tasks, names = tasks.map(function (task) { return task.name; });
        const verdict = make('p', parent);
        make('strong', verdict, data.passed ? 'passed' : 'FAILED', data.passed ? 'good' : 'bad');
        table(parent, ['what was expected', 'came true', 'found'], data.expectations.map(function (one) {
            return [one.text, one.passed, one.found === undefined ? '' : one.found];
        }), true);
        if (data.events && data.events.length > 0)
            table(parent, ['event', 'happened', 'why not'], data.events.map(function (one) {
                return [one.text, one.happened, one.why === undefined ? '' : one.why];
            }), true);
        const grid = make('div', parent, undefined, 'pictures');
        bars(grid, 'Faults and evictions of each task', 'number', names,
            ['faults', 'soft_faults', 'evictions', 'dropped'].map(function (n) { return column(tasks, n); }));
        bars(grid, 'Pages to and from swap', 'pages', names,
            ['swapped_out', 'swapped_in'].map(function (n) { return column(tasks, n); }));
        bars(grid, 'Recalls', 'recalls', names,
            ['recalls_met', 'recalls_missed'].map(function (n) { return column(tasks, n); }));
        bars(grid, 'Frames given back', 'frames', names,
            ['returned', 'frames_transparent', 'repossessed'].map(function (n) { return column(tasks, n); }));
        make('h3', parent, 'Tasks');
        records(parent, tasks);
        const servers = make('div', parent, undefined, 'pictures');
        [['Physmem', data.physmem], ['Swap', data.swap]].forEach(function (server) {
            if (server[1]) {
                const part = make('section', servers);
                make('h3', part, server[0]);
                pairs(part, server[1]);
            }
        });
    }

    function times(parent, title, object) {
        const names = Object.keys(object).filter(function (name) { return object[name] && object[name].count > 0; });
        if (names.length === 0)
            return;
        make('h3', parent, title);
        records(parent, names.map(function (name) { return Object.assign({ request: name }, object[name]); }));
    }

    function bench(parent, data) {
        const names = Object.keys(data.latency_ns).filter(function (n) { return data.latency_ns[n].count > 0; });
        if (data.machine && data.machine.is_measurement === false)
            make('p', parent, 'Other processes had the machine for too long: these figures are not a measurement.', 'bad');
        const grid = make('div', parent, undefined, 'pictures');
        bars(grid, 'Latency of requests', 'ns', names, ['p50', 'p90', 'p99', 'p99_9', 'most'].map(function (q) {
            return { label: q, data: names.map(function (n) { return data.latency_ns[n][q]; }) };
        }), true);
        const use = data.use || {};
        if (use.seconds && use.seconds.length > 1) {
            const lines = (use.tasks || []).slice(0, 24);
            picture(grid, 'Frames held' + (lines.length < (use.tasks || []).length ? ' by the first 24 tasks' : ''),
                { type: 'line', x: 'seconds', y: 'frames', stacked: true, lines: lines.map(function (task) {
                    return { label: 'task ' + task.task, data: points(use.seconds, task.held) };
                }) });
            picture(grid, 'How well and how fairly memory was used', { type: 'line', x: 'seconds', y: '', lines: [
                { label: 'utilisation', data: points(use.seconds, use.utilisation_over_time) },
                { label: 'Jain\'s index', data: points(use.seconds, use.jain_over_time) }] });
        }
        times(parent, 'Latency in ns', data.latency_ns);
        make('h3', parent, 'Everything else');
        table(parent, ['name', 'value'], flat(data, '', []).filter(function (row) {
            return !/^latency_ns\.|^use\.(seconds|utilisation_over_time|jain_over_time|tasks\.\d+\.(held|demand))\./.test(row[0]);
        }));
    }

    function points(x, y) {
        return (y || []).map(function (value, i) { return { x: x[i], y: value }; });
    }

    function replay(parent, data) {
        const policies = [];
        data.forEach(function (one) { if (policies.indexOf(one.policy) < 0) policies.push(one.policy); });
        const lines = policies.map(function (policy) {
            return { label: policy, data: data.filter(function (one) { return one.policy === policy; })
                .sort(function (a, b) { return a.frames - b.frames; })
                .map(function (one) { return { x: one.frames, y: one.miss_ratio }; }) };
        });
        const sizes = lines[0].data.length;
        if (sizes > 1)
            picture(make('div', parent, undefined, 'pictures'), 'Miss ratio by frames',
                { type: 'line', x: 'frames', y: 'miss ratio', lines: lines, points: sizes < 40, logX: true });
        else
            bars(make('div', parent, undefined, 'pictures'), 'Misses', 'misses', policies,
                [{ label: 'misses', data: policies.map(function (policy) {
                    return data.find(function (one) { return one.policy === policy; }).misses;
                }) }]);
        records(parent, data);
    }

    function series(parent, data) {
        const grid = make('div', parent, undefined, 'pictures'), x = data.seconds;
        make('p', grid.parentNode, data.looks + ' looks' + (data.looks > x.length ? ', drawn as ' + x.length +
            ' points, the least and the greatest number of each stretch among them' : '') +
            (data.tasks_left_out > 0 ? '; ' + data.tasks_left_out + ' tasks that held less are left out' : '') + '.', 'faint');
        function lines(name) {
            return data.tasks.map(function (task) { return { label: task.name, data: points(x, task[name]) }; });
        }
        function over(title, unit, list, stacked) {
            if (list.length > 0)
                picture(grid, title, { type: 'line', x: 'seconds', y: unit, lines: list, stacked: stacked });
        }
        over('Frames held', 'frames', lines('held'), true);
        over('Frames that tasks would use', 'frames', lines('demand'));
        over('Faults', 'a second', lines('faults_per_second'));
        over('Pages from swap', 'a second', lines('swapped_in_per_second'));
        over('Pages to swap', 'a second', lines('swapped_out_per_second'));
        if (data.physmem.free.some(function (value) { return value !== null; }))
            over('Physmem', 'frames', ['held', 'free'].map(function (n) {
                return { label: n, data: points(x, data.physmem[n]) };
            }));
        if (data.swap)
            over('Swap', 'slots', [{ label: 'used', data: points(x, data.swap.used) }]);
    }

    const kinds = { run: ['run', run], bench: ['bench contracts', bench], replay: ['replay', replay],
        series: ['over time', series] };

    items.forEach(function (item) {
        const section = make('section', main), kind = kinds[item.kind];
        make('h2', section, item.file + (kind ? ': ' + kind[0] : ''));
        if (kind)
            kind[1](section, item.data);
        else
            table(section, ['name', 'value'], flat(item.data, '', []));
    });

    function drawAll() {
        pictures.forEach(draw);
    }
    document.getElementById('theme').addEventListener('click', function () {
        const dark = root.dataset.theme ? root.dataset.theme === 'dark'
            : matchMedia('(prefers-color-scheme: dark)').matches;
        root.dataset.theme = dark ? 'light' : 'dark';
        drawAll();
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
    // Paper is white.
    let before;
    addEventListener('beforeprint', function () {
        before = root.dataset.theme;
        root.dataset.theme = 'light';
        drawAll();
    });
    addEventListener('afterprint', function () {
        if (before === undefined)
            delete root.dataset.theme;
        else
            root.dataset.theme = before;
        drawAll();
    });
    drawAll();
}());
