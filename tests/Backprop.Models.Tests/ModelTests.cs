using Backprop.Data;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Training.Checkpoints;

namespace Backprop.Models.Tests;

/// <summary>What a program does with a trained model.</summary>
public sealed class ModelTests
{
    [Fact]
    public void Features_are_prepared_and_values_are_in_their_own_unit()
    {
        // y = 2·(x − 1) / 4 + 3 by hand, with weight and bias as they are set.
        using Model model = Scaled();
        model.Members[0].Span[0] = 2;
        model.Members[0].Span[16] = 3;
        Prediction prediction = model.Predict([5]);
        Assert.Null(prediction.Class);
        NamedValue value = Assert.Single(prediction.Values);
        Assert.Equal("y0", value.Name);
        Assert.Equal((((5.0 - 1) / 4 * 2) + 3) * 10 + 100, value.Value);

        // What is missing is as training has filled it.
        Assert.Equal(
            model.Predict([7]).Values[0].Value, model.Predict([float.NaN]).Values[0].Value);
    }

    [Fact]
    public void Any_number_of_threads_predict_what_one_does()
    {
        using Model model = TrialModel.Of(
            "{ dense { units = 17, activation = tanh } }, { dense = 3 }", Shape.Of(5));
        float[] rows = TrialModel.Rows(200, Shape.Of(5));
        double[][] alone = [.. Enumerable.Range(0, 200).Select(Predict)];
        var together = new double[200][];
        Parallel.For(
            0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 },
            row => together[row] = Predict(row));
        Assert.Equal(alone, together);

        using var samples = new InMemoryDataset(
            "rows", Shape.Of(5), new TargetSchema.Values([]), rows, []);
        Assert.Equal(
            alone,
            model.Predict(samples, threads: 2)
                .Select(p => p.Values.Select(v => v.Value).ToArray()));

        double[] Predict(int row) =>
            [.. model.Predict(rows.AsSpan(row * 5, 5)).Values.Select(value => value.Value)];
    }

    [Fact]
    public void Features_that_do_not_suit_are_refused_with_what_would()
    {
        using Model model = TrialModel.Of("{ dense = 1 }", Shape.Of(3));
        var refused = Assert.Throws<ModelException>(() => model.Predict([1, 2]));
        Assert.Contains("2 features, where 'trial.bpm' takes 3", refused.Message);
        Assert.Throws<InvalidDatasetException>(() => model.Predict([1, 2, float.NaN]));
    }

    [Fact]
    public void A_file_that_is_no_model_is_refused_by_name()
    {
        var absent = Assert.Throws<ModelException>(() => Model.Load("nowhere.bpm"));
        Assert.Contains("'nowhere.bpm'", absent.Message);
        var wrong = Assert.Throws<ModelException>(
            () => Model.Read("wrong.bpm", new MemoryStream([1, 2, 3])));
        Assert.Contains("'wrong.bpm': not a model file", wrong.Message);
    }

    [Fact]
    public void A_model_of_an_earlier_version_predicts_where_its_input_can_be_known()
    {
        using Model model = TrialModel.Of("{ dense = 1 }", Shape.Of(2));
        ModelHeader before = model.Header with { FeatureShape = [] };
        using Model named = Read(before with { FeatureNames = ["a", "b"] }, model);
        Assert.Equal(
            model.Predict([1, 2]).Values.AsEnumerable(), named.Predict([1, 2]).Values);
        using Model unnamed = Read(before, model);
        Assert.Null(unnamed.InputShape);
        var refused = Assert.Throws<ModelException>(() => unnamed.Predict([1, 2]));
        Assert.Contains("did not keep the shape", refused.Message);
    }

    private static Model Read(ModelHeader header, Model model)
    {
        using var stream = new MemoryStream();
        new TrainedModel(header, model.Members).WriteTo(stream);
        stream.Position = 0;
        return Model.Read("model.bpm", stream);
    }

    private static Model Scaled() => TrialModel.Of(
        TrialModel.Specification("{ dense = 1 }"), Shape.Of(1), new DataPreparation
        {
            Missing = new Imputation { Values = [7] },
            Features = new Normalization
            {
                Method = NormalizationMethod.Standard,
                Offsets = [1],
                Spreads = [4],
            },
            Targets = new Normalization
            {
                Method = NormalizationMethod.Standard,
                Offsets = [100],
                Spreads = [10],
            },
        });
}
