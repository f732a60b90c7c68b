//! Bars of what was measured, as SVG.

use std::{fmt::Write as _, fs};

use crate::run::{Failure, root};

/// A figure: its length and what stands beside it.
pub(crate) struct Bar {
    pub(crate) value: f64,
    pub(crate) text: String,
}

/// Groups of bars, one above the other; the n-th bar of each group has the n-th colour.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    /// What the colours mean.
    pub(crate) series: &'a [String],
    pub(crate) groups: Vec<(String, Vec<Bar>)>,
}

const COLOURS: [&str; 4] = ["#9ecae1", "#4292c6", "#084594", "#777777"];
const LEFT: f64 = 290.0;
const PLOT: f64 = 500.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 64.0;
const BAR: f64 = 12.0;
const GAP: f64 = 10.0;

/// How long a bar is.
enum Scale {
    /// From a power of ten to another one: figures that differ by a lot.
    Powers(i32, i32),
    /// From zero in steps.
    Steps { step: f64, count: u32 },
}

impl Scale {
    #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
    fn of(values: &[f64]) -> Self {
        let least = values.iter().copied().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        if most > 20.0 * least {
            return Self::Powers(least.log10().floor() as i32, most.log10().ceil() as i32);
        }
        let magnitude = 10_f64.powf(most.max(f64::MIN_POSITIVE).log10().floor());
        let step = [0.2, 0.5, 1.0, 2.0].map(|it| it * magnitude).into_iter().find(|step| most <= 6.0 * step);
        let step = step.unwrap_or(2.0 * magnitude);
        Self::Steps { step, count: (1..6).find(|count| most <= f64::from(*count) * step).unwrap_or(6) }
    }

    fn length(&self, value: f64) -> f64 {
        match self {
            Self::Powers(from, to) => {
                let (from, to) = (f64::from(*from), f64::from(*to));
                if value <= 0.0 { 0.0 } else { (value.log10() - from) / (to - from) * PLOT }
            }
            Self::Steps { step, count } => value / (step * f64::from(*count)) * PLOT,
        }
    }

    fn ticks(&self) -> Vec<f64> {
        match self {
            Self::Powers(from, to) => (*from..=*to).map(|power| 10_f64.powi(power)).collect(),
            Self::Steps { step, count } => (0..=*count).map(|at| f64::from(at) * step).collect(),
        }
    }
}

/// A number without digits that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Chart<'_> {
    /// Draws the picture into `infra/bench`, which the README points to.
    pub(crate) fn write(&self, name: &str) -> Result<(), Failure> {
        let path = root().join("infra/bench").join(name).with_extension("svg");
        fs::write(&path, self.svg())?;
        println!("drawn in {}", path.strip_prefix(root())?.display());
        Ok(())
    }

    fn svg(&self) -> String {
        let values: Vec<f64> = self.groups.iter().flat_map(|(_, bars)| bars.iter().map(|bar| bar.value)).collect();
        let scale = Scale::of(&values);
        let tall = |bars: &[Bar]| BAR * bars.iter().map(|_| 1.0).sum::<f64>() + GAP;
        let (width, bottom) = (LEFT + PLOT + RIGHT, TOP + self.groups.iter().map(|(_, bars)| tall(bars)).sum::<f64>());
        let height = bottom + 20.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"12\" y=\"22\" font-size=\"15\">{}</text>\n",
            self.title
        );
        let mut x = LEFT;
        for (name, colour) in self.series.iter().zip(COLOURS) {
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"32\" width=\"11\" height=\"11\" fill=\"{colour}\"/><text x=\"{}\" y=\"42\">{name}</text>",
                x + 16.0
            );
            // As wide as the text, about.
            x += 40.0 + name.chars().map(|_| 6.5).sum::<f64>();
        }
        for tick in scale.ticks() {
            let x = LEFT + scale.length(tick);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{}\" \
                 fill=\"#555\" text-anchor=\"middle\">{}</text>",
                TOP - 6.0,
                bottom + 14.0,
                short(tick)
            );
        }
        let mut top = TOP;
        for (name, bars) in &self.groups {
            let middle = top + (tall(bars) - GAP) / 2.0 + 4.0;
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{name}</text>", LEFT - 8.0);
            let mut y = top;
            for (bar, colour) in bars.iter().zip(COLOURS) {
                let long = scale.length(bar.value);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{long:.1}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{:.1}\" \
                     y=\"{}\" font-size=\"10\">{}</text>",
                    BAR - 1.0,
                    LEFT + long + 5.0,
                    y + 9.0,
                    bar.text
                );
                y += BAR;
            }
            top += tall(bars);
        }
        svg + "</svg>\n"
    }
}
