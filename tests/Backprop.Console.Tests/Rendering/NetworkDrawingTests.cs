using System.Collections.Immutable;
using System.Xml.Linq;
using Backprop.Console.Explanation;
using Backprop.Console.Rendering;
using Backprop.Console.Tests.Explanation;

namespace Backprop.Console.Tests.Rendering;

public class NetworkDrawingTests
{
    [Fact]
    public void Every_weight_and_neuron_is_drawn_with_its_numbers()
    {
        XDocument drawing = XDocument.Parse(NetworkDrawing.Draw(TwoTwoTwo.Step).ToString());

        string[] weights =
            [.. drawing.Descendants().Attributes("data-weight").Select(a => a.Value)];
        Assert.Equal(8, weights.Distinct().Count());
        Assert.Contains("hidden.weight[1,0]", weights);
        XElement first = drawing.Descendants()
            .Single(e => (string?)e.Attribute("data-weight") == "output.weight[0,0]");
        Assert.Contains("[0,0]  0.4 → 0.3589", first.Value);
        Assert.Contains("dE/dw 0.08217", first.Value);
        Assert.Equal(6, drawing.Descendants().Count(e => e.Name.LocalName == "circle"));
        Assert.Contains("0.7514", drawing.Root!.Value);
        Assert.Contains("target 0.99", drawing.Root.Value);
        Assert.Contains("b 0.6 (frozen)", drawing.Root.Value);
    }

    [Fact]
    public void Nothing_covers_anything_in_any_network_that_is_drawn()
    {
        int most = NetworkLayout.MostNeurons;
        foreach (int from in Enumerable.Range(1, most))
        {
            foreach (int to in Enumerable.Range(1, most))
            {
                NetworkLayout layout = NetworkLayout.Of([from, to, 1]);
                Box[] boxes =
                [
                    .. layout.Labels.SelectMany(gap => gap),
                    .. layout.Columns.SelectMany((count, column) => Enumerable.Range(0, count)
                        .Select(neuron => layout.NeuronBox(column, neuron))),
                ];
                for (int i = 0; i < boxes.Length; i++)
                {
                    Assert.True(boxes[i].Left >= 0 && boxes[i].Top >= 80);
                    Assert.True(boxes[i].Top + boxes[i].Height <= layout.Height - 34);
                    Assert.DoesNotContain(boxes.Skip(i + 1), boxes[i].Overlaps);
                }
            }
        }
    }

    [Fact]
    public void A_network_too_large_to_draw_is_refused_with_the_limit()
    {
        ExplainedStep wide = TwoTwoTwo.OfWidths(2, 7, 1);
        ExplainedStep deep = TwoTwoTwo.OfWidths(2, 2, 2, 2, 2, 2, 1);

        Assert.Contains("7 neurons; a drawing has room for 6", NetworkDrawing.Refusal(wide));
        Assert.Contains("6 layers of neurons", NetworkDrawing.Refusal(deep));
        Assert.Throws<ArgumentException>(() => NetworkDrawing.Draw(wide));
        Assert.Null(NetworkDrawing.Refusal(TwoTwoTwo.Step));
    }
}
