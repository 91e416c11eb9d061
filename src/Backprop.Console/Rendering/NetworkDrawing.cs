using System.Collections.Immutable;
using System.Globalization;
using System.Xml.Linq;
using Backprop.Console.Explanation;

namespace Backprop.Console.Rendering;

/// <summary>Draws a step as an SVG: the neurons with their values, the weights with their gradients
/// and new values.</summary>
internal static class NetworkDrawing
{
    private const string Ink = "#1f2933";
    private const string Faint = "#52606d";
    private const string Positive = "#2b6cb0";
    private const string Negative = "#c05621";
    private const string Gradient = "#276749";
    private const double LineHeight = 16;
    private static readonly XNamespace s_svg = "http://www.w3.org/2000/svg";

    /// <summary>Why a step cannot be drawn; null: it can.</summary>
    public static string? Refusal(ExplainedStep step) => NetworkLayout.Refusal(Columns(step));

    /// <summary>The drawing.</summary>
    /// <exception cref="ArgumentException">There is a <see cref="Refusal"/>.</exception>
    public static XDocument Draw(ExplainedStep step)
    {
        var layout = NetworkLayout.Of(Columns(step));
        var root = new XElement(
            s_svg + "svg",
            new XAttribute("viewBox", $"0 0 {Pixels(layout.Width)} {Pixels(layout.Height)}"),
            new XAttribute("width", Pixels(layout.Width)),
            new XAttribute("height", Pixels(layout.Height)),
            new XAttribute("font-family", "DejaVu Sans, Verdana, sans-serif"),
            new XElement(s_svg + "title", $"{step.Run}, step {step.Step}"),
            new XElement(
                s_svg + "rect", new XAttribute("width", "100%"), new XAttribute("height", "100%"),
                new XAttribute("fill", "#ffffff")));
        root.Add(Title(step));
        root.Add(Edges(step, layout));
        root.Add(EdgeLabels(step, layout));
        root.Add(Inputs(step, layout));
        root.Add(Neurons(step, layout));
        root.Add(Targets(step, layout));
        root.Add(Legend(step, layout));
        return new XDocument(root);
    }

    private static ImmutableArray<int> Columns(ExplainedStep step) =>
        [step.Inputs.Length, .. step.Layers.Select(layer => layer.Width)];

    private static IEnumerable<XElement> Title(ExplainedStep step) =>
    [
        Text(36, 42, 20, "start", Ink, $"{step.Run}: step {step.Step} on sample {step.Sample}"),
        Text(
            36, 66, 13, "start", Faint,
            $"{step.Loss}, E = {NumberText.Full(step.TotalError)}; {step.Optimizer}, "
            + $"learning rate {NumberText.Full(step.LearningRate)}"),
    ];

    private static IEnumerable<XElement> Edges(ExplainedStep step, NetworkLayout layout)
    {
        foreach ((int layer, int from, int to) in Weights(step))
        {
            (double startX, double startY) = layout.Centre(layer, from);
            (double endX, double endY) = layout.Centre(layer + 1, to);
            NeuronLayer neurons = step.Layers[layer];
            float weight = neurons.Weight.Before[neurons.IndexOf(from, to)];
            yield return new XElement(
                s_svg + "line",
                new XAttribute("x1", Pixels(startX)), new XAttribute("y1", Pixels(startY)),
                new XAttribute("x2", Pixels(endX)), new XAttribute("y2", Pixels(endY)),
                new XAttribute("stroke", weight < 0 ? Negative : Positive),
                new XAttribute("stroke-opacity", "0.45"),
                new XAttribute("stroke-width", Pixels(StrokeWidth(neurons, weight))));
        }
    }

    private static IEnumerable<XElement> EdgeLabels(ExplainedStep step, NetworkLayout layout)
    {
        foreach ((int layer, int from, int to) in Weights(step))
        {
            NeuronLayer neurons = step.Layers[layer];
            ExplainedParameter weight = neurons.Weight;
            int index = neurons.IndexOf(from, to);
            Box box = layout.Labels[layer][index];
            double middle = box.Left + (box.Width / 2);
            string value = $"[{from},{to}]  {NumberText.Short(weight.Before[index])}"
                + (weight.Trainable
                    ? $" → {NumberText.Short(weight.After[index])}"
                    : " (frozen)");
            yield return new XElement(
                s_svg + "g",
                new XAttribute("data-weight", $"{weight.Name}[{from},{to}]"),
                new XElement(s_svg + "title", $"{weight.Name}[{from},{to}]"),
                new XElement(
                    s_svg + "rect",
                    new XAttribute("x", Pixels(box.Left)), new XAttribute("y", Pixels(box.Top)),
                    new XAttribute("width", Pixels(box.Width)),
                    new XAttribute("height", Pixels(box.Height)), new XAttribute("rx", "4"),
                    new XAttribute("fill", "#ffffff"), new XAttribute("stroke", "#e4e7eb")),
                Text(middle, box.Top + 14, 11.5, "middle", Ink, value),
                Text(
                    middle, box.Top + 28, 11, "middle", Gradient,
                    $"dE/dw {NumberText.Short(weight.Gradient[index])}"));
        }
    }

    private static IEnumerable<XElement> Inputs(ExplainedStep step, NetworkLayout layout) =>
        step.Inputs.SelectMany((value, i) => Circle(
            layout.Centre(0, i), step.NeuronName(-1, i), "#f5f7fa",
            [(NumberText.Short(value), 14, Ink)], []));

    private static IEnumerable<XElement> Neurons(ExplainedStep step, NetworkLayout layout)
    {
        for (int layer = 0; layer < step.Layers.Length; layer++)
        {
            NeuronLayer neurons = step.Layers[layer];
            for (int j = 0; j < neurons.Width; j++)
            {
                (string, double, string)[] inside =
                [
                    (NumberText.Short(neurons.Out[j]), 14, Ink),
                    ($"net {NumberText.Short(neurons.Net[j])}", 10, Faint),
                ];
                var below = new List<(string, string)>
                {
                    ($"dE/dnet {NumberText.Short(neurons.NetGradient[j])}", Gradient),
                };
                if (neurons.Bias is ExplainedParameter bias)
                {
                    string after = bias.Trainable
                        ? $" → {NumberText.Short(bias.After[j])}"
                        : " (frozen)";
                    below.Add(($"b {NumberText.Short(bias.Before[j])}{after}", Ink));
                }

                foreach (XElement element in Circle(
                    layout.Centre(layer + 1, j), step.NeuronName(layer, j), "#ebf4ff", inside,
                    below))
                {
                    yield return element;
                }
            }
        }
    }

    private static IEnumerable<XElement> Targets(ExplainedStep step, NetworkLayout layout)
    {
        for (int k = 0; k < step.OutputErrors.Length; k++)
        {
            (double x, double y) = layout.Centre(step.Layers.Length, k);
            double left = x + NetworkLayout.Radius + 24;
            yield return Text(
                left, y - 4, 12, "start", Ink, $"target {NumberText.Short(step.Targets[k])}");
            yield return Text(
                left, y + 14, 12, "start", Faint,
                $"error {NumberText.Short(step.OutputErrors[k])}");
        }
    }

    private static IEnumerable<XElement> Legend(ExplainedStep step, NetworkLayout layout)
    {
        double y = layout.Height - 20;
        string target = step.OutputErrors.IsEmpty
            ? $"   target {string.Join(", ", step.Targets.Select(t => NumberText.Short(t)))}"
            : "";
        yield return Text(
            36, y, 11, "start", Faint,
            "In a neuron: out, net. On a line: [from,to], weight → new weight, its gradient; "
            + $"blue positive, orange negative.{target}");
    }

    private static IEnumerable<XElement> Circle(
        (double X, double Y) centre, string name, string fill,
        IReadOnlyList<(string Text, double Size, string Colour)> inside,
        IReadOnlyList<(string Text, string Colour)> below)
    {
        (double x, double y) = centre;
        yield return new XElement(
            s_svg + "circle",
            new XAttribute("cx", Pixels(x)), new XAttribute("cy", Pixels(y)),
            new XAttribute("r", Pixels(NetworkLayout.Radius)), new XAttribute("fill", fill),
            new XAttribute("stroke", Faint), new XAttribute("stroke-width", "1.5"));
        yield return Text(x, y - NetworkLayout.Radius - 8, 12, "middle", Ink, name);
        for (int line = 0; line < inside.Count; line++)
        {
            double offset = (line - ((inside.Count - 1) / 2.0)) * LineHeight;
            (string text, double size, string colour) = inside[line];
            yield return Text(x, y + offset + 5, size, "middle", colour, text);
        }

        for (int line = 0; line < below.Count; line++)
        {
            yield return Text(
                x, y + NetworkLayout.Radius + LineHeight + (line * LineHeight), 11, "middle",
                below[line].Colour, below[line].Text);
        }
    }

    // White around the letters keeps them readable where a line passes below.
    private static XElement Text(
        double x, double y, double size, string anchor, string colour, string text) => new(
        s_svg + "text",
        new XAttribute("x", Pixels(x)), new XAttribute("y", Pixels(y)),
        new XAttribute("font-size", Pixels(size)), new XAttribute("text-anchor", anchor),
        new XAttribute("fill", colour), new XAttribute("stroke", "#ffffff"),
        new XAttribute("stroke-width", "3"), new XAttribute("paint-order", "stroke"),
        new XAttribute("stroke-linejoin", "round"), text);

    private static IEnumerable<(int Layer, int From, int To)> Weights(ExplainedStep step) =>
        from layer in Enumerable.Range(0, step.Layers.Length)
        from source in Enumerable.Range(0, step.InputsOf(layer).Length)
        from neuron in Enumerable.Range(0, step.Layers[layer].Width)
        select (layer, source, neuron);

    private static double StrokeWidth(NeuronLayer neurons, float weight)
    {
        float largest = neurons.Weight.Before.Max(MathF.Abs);
        return largest > 0 ? 1 + (3 * MathF.Abs(weight) / largest) : 1;
    }

    private static string Pixels(double value) =>
        value.ToString("0.##", CultureInfo.InvariantCulture);
}
