using System.Text.Json;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Models.Onnx;
using Backprop.Training.Tests.Specification;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Backprop.Models.Tests;

/// <summary>Models written as ONNX, computed by ONNX Runtime.</summary>
public sealed class OnnxTests
{
    private const int Rows = 100;
    private const double Tolerance = 1e-5;

    public static TheoryData<string> Layers => LayerCases.Names;

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_layer_computes_the_same_in_ONNX_Runtime(string name)
    {
        (Model model, float[] rows) = LayerCases.Of(name, Rows);
        using (model)
        {
            AssertSame(
                TrialModel.Outputs(model.Network, model.Members[0], rows),
                Run(model, rows)[OnnxExport.Output]);
        }
    }

    [Fact]
    public void Every_kind_of_layer_is_held_to_ONNX_Runtime()
    {
        var kinds = new HashSet<string>();
        foreach ((string name, _, _, _) in LayerCases.All)
        {
            using Model model = LayerCases.Of(name, 1).Model;
            kinds.UnionWith(model.Network.Nodes.Select(node => node.Layer.Kind));
        }

        Assert.Equal(OnnxLayers.Kinds.Order(), kinds.Order());
    }

    public static TheoryData<string> RunsOfTheRepository => [.. RunFiles.All];

    [Theory]
    [MemberData(nameof(RunsOfTheRepository))]
    public void Every_run_of_the_repository_computes_the_same_of_features_as_they_are_read(
        string file)
    {
        using Model model = TrainedModels.AfterSteps(file, 5);
        Shape shape = model.InputShape!;
        bool isText = model.Specification.Data.Train.Value is DataSource.Text;
        float[] prepared = TrialModel.Rows(
            Rows, shape, vocabulary: isText ? model.TargetNames.Length : 0);

        // As they are read: on the scale of what training saw, and beyond it.
        float[] rows = [.. prepared];
        model.Preparation.Features.Restore(rows);
        rows.CopyTo(prepared, 0);
        model.Preparation.Features.Apply(prepared);
        Dictionary<string, float[]> outputs = Run(model, rows);
        if (!model.Network.HasNamedOutputs)
        {
            AssertSame(
                TrialModel.Outputs(model.Network, model.Members[0], prepared),
                outputs[OnnxExport.Output]);
        }

        if (!isText)
        {
            AssertSamePredictions(model, rows, outputs);
        }
    }

    private static void AssertSamePredictions(
        Model model, float[] rows, Dictionary<string, float[]> outputs)
    {
        Shape shape = model.InputShape!;
        for (int row = 0; row < Rows; row++)
        {
            Prediction all = model.Predict(rows.AsSpan(row * shape.Count, shape.Count));
            (string Name, Prediction Own)[] parts = all.Outputs.IsEmpty
                ? [(OnnxExport.Predicted, all)]
                : [.. all.Outputs.Select(one => ($"{one.Name}.prediction", one.Prediction))];
            foreach ((string name, Prediction mine) in parts)
            {
                float[] predicted = outputs[name];
                int width = predicted.Length / Rows;
                AssertSame(
                    [.. mine.Values.Select(value => (float)value.Value)],
                    predicted[(row * width)..((row + 1) * width)]);
            }
        }
    }

    [Fact]
    public void Named_inputs_and_outputs_have_their_names()
    {
        using Model model = TrainedModels.Of("ames-outputs.conf", 1);
        using InferenceSession session = Open(model);
        Assert.Equal(["house", "place"], session.InputMetadata.Keys.Order());
        Assert.Equal([-1, 65], session.InputMetadata["place"].Dimensions);
        Assert.Equal(
            ["early-price.output", "early-price.prediction", "price.output", "price.prediction",
                "style.output", "style.prediction"],
            session.OutputMetadata.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([-1, 8], session.OutputMetadata["style.prediction"].Dimensions);
        using var outputs = JsonDocument.Parse(
            session.ModelMetadata.CustomMetadataMap["outputs"]);
        JsonElement style = outputs.RootElement[1];
        Assert.Equal("style", style.GetProperty("name").GetString());
        Assert.Contains(
            "Two_Story",
            style.GetProperty("targets").EnumerateArray().Select(name => name.GetString()));
    }

    [Theory]
    [InlineData("softmax-cross-entropy", 3)]
    [InlineData("binary-cross-entropy", 1)]
    [InlineData("mean-squared-error", 2)]
    public void An_ensemble_is_averaged_as_predictions_are(string loss, int units)
    {
        string[]? classes = loss == "mean-squared-error" ? null : ["a", "b", "c"];
        var preparation = new DataPreparation
        {
            Missing = new Imputation { Values = [0.5f, -1, 2] },
            Features = new Normalization
            {
                Method = NormalizationMethod.Standard,
                Offsets = [1, 2, 3],
                Spreads = [0.5f, 0, 2],
            },
        };
        using Model model = TrialModel.Of(
            TrialModel.Specification($"{{ dense = {units} }}", loss), Shape.Of(3), preparation,
            members: 3, classes: units == 1 ? classes?[..2] : classes);
        float[] rows = TrialModel.Rows(Rows, Shape.Of(3));
        rows[4] = float.NaN;
        float[] predicted = Run(model, rows)[OnnxExport.Predicted];
        float[] mine =
        [
            .. Enumerable.Range(0, Rows)
                .SelectMany(row => model.Predict(rows.AsSpan(row * 3, 3)).Values)
                .Select(value => (float)value.Value),
        ];
        AssertSame(mine, predicted);
    }

    [Theory]
    [InlineData(NormalizationMethod.Standard)]
    [InlineData(NormalizationMethod.LogStandard)]
    public void Values_are_in_the_targets_own_unit(NormalizationMethod method)
    {
        var preparation = new DataPreparation
        {
            Targets = new Normalization { Method = method, Offsets = [3], Spreads = [0.5f] },
        };
        using Model model = TrialModel.Of(
            TrialModel.Specification("{ dense = 1 }"), Shape.Of(3), preparation);
        float[] rows = TrialModel.Rows(Rows, Shape.Of(3));
        float[] predicted = Run(model, rows)[OnnxExport.Predicted];
        AssertSame(
            [
                .. Enumerable.Range(0, Rows).Select(row =>
                    (float)model.Predict(rows.AsSpan(row * 3, 3)).Values[0].Value),
            ],
            predicted);
    }

    [Fact]
    public void A_file_says_what_its_outputs_are()
    {
        using Model model = TrialModel.Of(
            TrialModel.Specification("{ dense = 3 }", "softmax-cross-entropy"), Shape.Of(2),
            DataPreparation.None, classes: ["a", "b", "c"]);
        using InferenceSession session = Open(model);
        Assert.Equal(
            ["a", "b", "c"],
            JsonSerializer.Deserialize<string[]>(
                session.ModelMetadata.CustomMetadataMap["targets"])!);
        Assert.Equal("backprop", session.ModelMetadata.ProducerName);
        Assert.Equal([-1, 2], session.InputMetadata[OnnxExport.Features].Dimensions);
        Assert.Equal("batch", session.InputMetadata[OnnxExport.Features].SymbolicDimensions[0]);
    }

    private static InferenceSession Open(Model model)
    {
        using var file = new MemoryStream();
        ModelExport.Write(model, ExportFormat.Onnx, file);
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            InterOpNumThreads = 1,
        };
        return new InferenceSession(file.ToArray(), options);
    }

    private static Dictionary<string, float[]> Run(Model model, float[] rows)
    {
        Network network = model.Network;
        using InferenceSession session = Open(model);
        NamedOnnxValue[] inputs = network.Inputs.IsEmpty
            ? [Value(session, OnnxExport.Features, rows, network.InputShape)]
            :
            [
                .. network.Inputs.Select(input => Value(
                    session, input.Name,
                    [
                        .. rows.Chunk(network.InputShape.Count)
                            .SelectMany(row => input.Features.Select(feature => row[feature])),
                    ],
                    input.Shape)),
            ];
        using var results = session.Run(inputs);
        return results.ToDictionary(
            result => result.Name, result => result.AsTensor<float>().ToArray());
    }

    private static NamedOnnxValue Value(
        InferenceSession session, string name, float[] rows, Shape shape)
    {
        int[] dimensions = [rows.Length / shape.Count, .. shape.Dimensions];
        return session.InputMetadata[name].ElementType == typeof(long)
            ? NamedOnnxValue.CreateFromTensor(
                name,
                new DenseTensor<long>(rows.Select(token => (long)token).ToArray(), dimensions))
            : NamedOnnxValue.CreateFromTensor(name, new DenseTensor<float>(rows, dimensions));
    }

    private static void AssertSame(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(
                Math.Abs(expected[i] - actual[i])
                    <= Tolerance * Math.Max(1, Math.Abs(expected[i])),
                $"[{i}]: {actual[i]:R}, where the network gives {expected[i]:R}");
        }
    }
}
