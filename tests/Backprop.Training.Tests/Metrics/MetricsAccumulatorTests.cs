using Backprop.Data.Batches;
using Backprop.Training.Metrics;

namespace Backprop.Training.Tests.Metrics;

public sealed class MetricsAccumulatorTests
{
    private const int Rows = MetricsAccumulator.MicroBatchRows;

    private static readonly TargetReading TwoClasses =
        new(TargetEncoding.ClassIndex, ["cat", "dog"], [], null, []);

    // Truth and what it was taken for: cat cat cat dog dog dog, cat cat dog dog dog dog.
    [Fact]
    public void Classes_are_scored_as_worked_by_hand()
    {
        var metrics = new MetricsAccumulator(TwoClasses, 2, 6);
        metrics.Add(
            0, [2, 1, 2, 1, 1, 2, 1, 2, 1, 2, 1, 2], [0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6]);

        EvaluationMetrics result = metrics.Finish();

        Assert.Equal(3.5, result.Loss);
        Assert.Null(result.Regression);
        ClassificationMetrics classes = result.Classification!;
        Assert.Equal(5.0 / 6, classes.Accuracy);
        Assert.Equal<long>([2, 1, 0, 3], [.. classes.Confusion.Counts]);
        Assert.Equal(new ClassScores("cat", 3, 1, 2.0 / 3, 0.8), classes.Classes[0]);
        Assert.Equal(new ClassScores("dog", 3, 0.75, 1, 6.0 / 7), classes.Classes[1]);
        Assert.Equal(0.875, classes.MacroPrecision);
        Assert.Equal((0.8 + (6.0 / 7)) / 2, classes.MacroF1);
    }

    // Two rows of two outputs: a class, found in one of them, and a value, off by 1 and by 2.
    [Fact]
    public void Named_outputs_are_scored_each_by_itself_as_worked_by_hand()
    {
        var value = new TargetReading(
            TargetEncoding.Values, [], ["kg"], null, [TargetScale.Identity]);
        var reading = new TargetReading(TargetEncoding.Values, [], [], null, [])
        {
            Outputs =
            [
                new NamedReading("kind", "", 1, TwoClasses, Width: 2, TargetWidth: 1),
                new NamedReading("weight", "", 0.5f, value, Width: 1, TargetWidth: 1),
            ],
        };
        var metrics = new MetricsAccumulator(reading, 3, 2);
        metrics.Add(
            0, [2, 1, 5, 1, 2, 7], [0, 4, 0, 9], [1.5f, 2.5f, 0.5f, 1.5f, 2, 2]);
        var folded = new MetricsAccumulator(reading, 3, 2);
        folded.Add(metrics.Part(0, 1));
        foreach (EvaluationMetrics result in new[] { metrics.Finish(), folded.Finish() })
        {
            Assert.Equal(2, result.Loss);
            Assert.Null(result.Classification);
            Assert.Null(result.Regression);
            EvaluationMetrics kind = result.Of("kind")!, weight = result.Of("weight")!;
            Assert.Equal(1, kind.Loss);
            Assert.Equal<long>([1, 1, 0, 0], [.. kind.Classification!.Confusion.Counts]);
            Assert.Equal(2, weight.Loss);
            Assert.Equal(1.5, weight.Regression!.MeanAbsoluteError);
            Assert.Equal(Math.Sqrt(2.5), weight.Regression.RootMeanSquaredError);
            Assert.Null(result.Of("height"));
        }

        // Sums of one output alone are not of this network.
        Assert.Throws<ArgumentException>(
            () => folded.Add(metrics.Part(0, 1) with { Outputs = [] }));
    }

    // Three tokens at each of two positions; three of four are right.
    [Fact]
    public void Sequences_are_scored_by_position_and_tell_no_classes_apart()
    {
        var reading = new TargetReading(
            TargetEncoding.ClassIndex, ["a", "b", "c"], [], null, []) { Positions = 2 };
        var metrics = new MetricsAccumulator(reading, 6, 2);
        metrics.Add(0, [2, 1, 0, 0, 2, 1, 0, 0, 1, 2, 0, 0], [0, 1, 2, 1], [0.5f, 1.5f]);
        var folded = new MetricsAccumulator(reading, 6, 2);
        folded.Add(metrics.Part(0, 1));
        foreach (EvaluationMetrics result in new[] { metrics.Finish(), folded.Finish() })
        {
            Assert.Equal(1, result.Loss);
            Assert.Equal(Math.E, result.Perplexity!.Value, tolerance: 1e-15);
            Assert.Equal(0.75, result.Classification!.Accuracy);
            Assert.Empty(result.Classification.Classes);
            Assert.Empty(result.Classification.Confusion.Counts);
            Assert.Equal(0, result.Classification.MacroF1);
        }
    }

    // The second sequence is one token and padding, which was taken for a token.
    [Fact]
    public void Padding_counts_neither_as_right_nor_as_wrong()
    {
        var reading = new TargetReading(
            TargetEncoding.ClassIndex, ["a", "b", "pad"], [], null, [])
        {
            Positions = 2, PaddingClass = 2,
        };
        var metrics = new MetricsAccumulator(reading, 6, 2);
        metrics.Add(0, [2, 1, 0, 2, 1, 0, 1, 2, 0, 1, 2, 0], [0, 1, 1, 2], [0, 0]);
        Assert.Equal(2.0 / 3, metrics.Finish().Classification!.Accuracy);
    }

    [Fact]
    public void A_class_that_nobody_is_of_scores_nothing()
    {
        var reading = TwoClasses with { Classes = ["cat", "dog", "eel"] };
        var metrics = new MetricsAccumulator(reading, 3, 1);
        metrics.Add(0, [1, 0, 0], [0], [0]);

        Assert.Equal(
            new ClassScores("eel", 0, 0, 0, 0), metrics.Finish().Classification!.Classes[2]);
    }

    [Fact]
    public void Of_equal_outputs_the_first_names_the_class()
    {
        var metrics = new MetricsAccumulator(TwoClasses, 2, 1);

        Assert.Equal(0, metrics.PredictedClass([0.5f, 0.5f]));
    }

    [Theory]
    [InlineData(0.0, -0.1f, 0)]
    [InlineData(0.0, 0.1f, 1)]
    [InlineData(0.5, 0.4f, 0)]
    [InlineData(0.5, 0.6f, 1)]
    public void One_output_is_held_against_the_threshold(
        double threshold, float output, int predicted)
    {
        TargetReading reading = TwoClasses with
        {
            Encoding = TargetEncoding.Values, Threshold = threshold,
        };
        var metrics = new MetricsAccumulator(reading, 1, 1);
        metrics.Add(0, [output], [1], [0]);

        Assert.Equal(predicted, metrics.Finish().Classification!.Confusion[1, 1]);
    }

    [Fact]
    public void One_hot_targets_name_their_class()
    {
        TargetReading reading = TwoClasses with { Encoding = TargetEncoding.OneHot };
        var metrics = new MetricsAccumulator(reading, 2, 2);
        metrics.Add(0, [0.9f, 0.1f, 0.8f, 0.2f], [1, 0, 0, 1], [0, 0]);

        Assert.Equal<long>([1, 0, 1, 0], [.. metrics.Finish().Classification!.Confusion.Counts]);
    }

    // Targets 1 to 4 with mean 2.5 and squared deviations 5; the last output is off by 2.
    [Fact]
    public void Values_are_scored_as_worked_by_hand()
    {
        RegressionMetrics values = ScoreValues(TargetScale.Identity, [1, 2, 3, 6], [1, 2, 3, 4]);

        Assert.Equal(1 - (4.0 / 5), values.R2, 1e-15);
        Assert.Equal(0.5, values.MeanAbsoluteError);
        Assert.Equal(1, values.RootMeanSquaredError);
    }

    [Fact]
    public void Errors_are_in_the_targets_own_unit()
    {
        RegressionMetrics values = ScoreValues(
            new TargetScale(10, 100), [1, 2, 3, 6], [1, 2, 3, 4]);

        Assert.Equal(0.2, values.R2, 1e-14);
        Assert.Equal(5, values.MeanAbsoluteError);
        Assert.Equal(10, values.RootMeanSquaredError);
    }

    // Logarithms 0 and 2 stand for 1 and e², and 0 and 1 were said.
    [Fact]
    public void Errors_of_logarithms_are_in_the_targets_own_unit()
    {
        RegressionMetrics values = ScoreValues(
            new TargetScale(2, 0) { IsLogarithmic = true }, [0, 0.5f], [0, 1]);

        double error = Math.Exp(2) - Math.E;
        Assert.Equal(error / 2, values.MeanAbsoluteError, 1e-14);
        Assert.Equal(
            1 - (error * error / (Math.Pow(Math.Exp(2) - 1, 2) / 2)), values.R2, 1e-14);
    }

    [Fact]
    public void An_output_that_is_far_off_is_still_a_number()
    {
        RegressionMetrics values = ScoreValues(
            new TargetScale(1000, 0) { IsLogarithmic = true }, [5, 0], [0, 0.001f]);

        Assert.Equal(float.MaxValue / 2.0, values.MeanAbsoluteError, 1e30);
        Assert.True(double.IsFinite(values.R2));
    }

    [Fact]
    public void Two_targets_count_alike()
    {
        var reading = new TargetReading(
            TargetEncoding.Values, [], ["length", "weight"], null,
            [TargetScale.Identity, new TargetScale(2, 0)]);
        var metrics = new MetricsAccumulator(reading, 2, 2);
        metrics.Add(0, [1, 1, 2, 3], [1, 0, 2, 2], [0, 0]);

        RegressionMetrics values = metrics.Finish().Regression!;

        // Length is met; weight is 0 and 4 in its unit, and 2 and 6 were said.
        Assert.Equal(new TargetScores("length", 1, 0, 0), values.Targets[0]);
        Assert.Equal(new TargetScores("weight", 0, 2, 2), values.Targets[1]);
        Assert.Equal(0.5, values.R2);
        Assert.Equal(1, values.MeanAbsoluteError);
        Assert.Equal(Math.Sqrt(2), values.RootMeanSquaredError, 1e-15);
    }

    [Theory]
    [InlineData(3f, 1.0)]
    [InlineData(4f, 0.0)]
    public void Where_targets_do_not_vary_only_the_right_answer_scores(float output, double r2)
    {
        Assert.Equal(r2, ScoreValues(TargetScale.Identity, [output, 3], [3, 3]).R2);
    }

    // Σx² − (Σx)²/n would lose every digit here: the targets are 10^8 and one unit around it.
    [Fact]
    public void A_far_offset_does_not_cost_digits()
    {
        RegressionMetrics values = ScoreValues(
            new TargetScale(1, 1e8), [0, 0, 0, 0], [1, -1, 1, -1]);

        Assert.Equal(0, values.R2, 1e-9);
    }

    [Fact]
    public void The_order_of_the_micro_batches_does_not_change_a_bit()
    {
        const int Samples = (5 * Rows) + 17;
        var reading = new TargetReading(
            TargetEncoding.Values, [], ["y"], null, [new TargetScale(1.7, 0.3)]);
        float[] outputs = [.. Enumerable.Range(0, Samples).Select(i => i * 0.1f % 3)];
        float[] targets = [.. Enumerable.Range(0, Samples).Select(i => i * 0.7f % 5)];
        var forwards = new MetricsAccumulator(reading, 1, Samples);
        var backwards = new MetricsAccumulator(reading, 1, Samples);
        int pieces = MetricsAccumulator.MicroBatchesOf(Samples);
        Assert.Equal(6, pieces);
        for (int i = 0; i < pieces; i++)
        {
            Add(forwards, i);
            Add(backwards, pieces - 1 - i);
        }

        EvaluationMetrics first = forwards.Finish(), second = backwards.Finish();

        Assert.Equal(first.Loss, second.Loss);
        Assert.Equal(first.Regression!.Targets[0], second.Regression!.Targets[0]);
        double mean = targets.Average(y => (y * 1.7) + 0.3);
        double deviations = targets.Sum(y => Math.Pow((y * 1.7) + 0.3 - mean, 2));
        double squares = targets.Zip(outputs, (y, x) => Math.Pow(((double)y - x) * 1.7, 2)).Sum();
        Assert.Equal(1 - (squares / deviations), first.Regression.R2, 1e-12);

        void Add(MetricsAccumulator metrics, int piece)
        {
            Range rows = (piece * Rows)..Math.Min(Samples, (piece + 1) * Rows);
            metrics.Add(piece, outputs[rows], targets[rows], outputs[rows]);
        }
    }

    private static RegressionMetrics ScoreValues(
        TargetScale scale, float[] outputs, float[] targets)
    {
        var reading = new TargetReading(TargetEncoding.Values, [], ["y"], null, [scale]);
        var metrics = new MetricsAccumulator(reading, 1, targets.Length);
        metrics.Add(0, outputs, targets, new float[targets.Length]);
        return metrics.Finish().Regression!;
    }
}
