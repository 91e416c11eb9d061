using Backprop.Data.Batches;
using Backprop.Training.Metrics;

namespace Backprop.Training.Tests.Metrics;

/// <summary>An evaluation that is shared out comes to the same bits as one that is not.</summary>
public sealed class MetricsPartTests
{
    private const int Rows = MetricsAccumulator.MicroBatchRows;
    private const int Samples = (4 * Rows) + 17;

    private static readonly TargetReading Values = new(
        TargetEncoding.Values, [], ["y"], null, [new TargetScale(1.7, 0.3)]);

    private static readonly TargetReading Classes = new(
        TargetEncoding.Values, ["no", "yes"], [], 0.5, []);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Parts_in_any_order_come_to_the_whole(bool classes)
    {
        TargetReading reading = classes ? Classes : Values;
        EvaluationMetrics whole = Accumulated(reading, 0, 5).Finish();
        var folded = new MetricsAccumulator(reading, 1, Samples);
        foreach ((int first, int end) in new[] { (3, 5), (0, 1), (1, 3) })
        {
            folded.Add(Accumulated(reading, first, end).Part(first, end));
        }

        EvaluationMetrics shared = folded.Finish();

        Assert.Equal(whole.Loss, shared.Loss);
        Assert.Equal(whole.Regression?.Targets[0], shared.Regression?.Targets[0]);
        Assert.Equal(
            whole.Classification?.Confusion.Counts.AsEnumerable(),
            shared.Classification?.Confusion.Counts.AsEnumerable());
    }

    [Fact]
    public void Sums_of_something_else_are_refused()
    {
        var folded = new MetricsAccumulator(Values, 1, Samples);
        MetricsPart right = Accumulated(Values, 3, 5).Part(3, 5);
        MetricsPart[] wrong =
        [
            right with { First = 4 },
            right with { First = -1 },
            right with { Confusion = [1] },
            right with { Values = [] },
            right with { LossSums = [1] },
            Accumulated(Classes, 3, 5).Part(3, 5),
        ];
        Assert.All(wrong, part => Assert.Throws<ArgumentException>(() => folded.Add(part)));
    }

    private static MetricsAccumulator Accumulated(TargetReading reading, int first, int end)
    {
        var metrics = new MetricsAccumulator(reading, 1, Samples);
        for (int microBatch = first; microBatch < end; microBatch++)
        {
            int start = microBatch * Rows, count = Math.Min(Rows, Samples - start);
            float[] outputs =
                [.. Enumerable.Range(start, count).Select(i => i * 0.1f % (i % 7 == 0 ? 1 : 3))];
            float[] targets = [.. Enumerable.Range(start, count).Select(i => (float)(i % 2))];
            metrics.Add(microBatch, outputs, targets, outputs);
        }

        return metrics;
    }
}
