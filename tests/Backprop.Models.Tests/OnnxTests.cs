using System.Text.Json;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Threading;
using Backprop.Models.Onnx;
using Backprop.Training.Checkpoints;
using Backprop.Training;
using Backprop.Training.Ensembles;
using Backprop.Training.Specification;
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

    [Theory]
    [InlineData("xor.conf", 30)]
    [InlineData("iris.conf", 20)]
    [InlineData("moons.conf", 3)]
    [InlineData("concrete.conf", 2)]
    [InlineData("digits-cnn.conf", 1)]
    public void A_trained_model_predicts_the_same_of_features_as_they_are_read(
        string file, int epochs)
    {
        string path = Path.Combine(RepositoryPaths.Runs, file);
        RunSpecification run = RunSpecificationReader.Read(File.ReadAllText(path), path) with
        {
            Epochs = epochs,
        };
        using PlannedRun planned = RunPlanner.Plan(
            run, new DataSourceOpener(RepositoryPaths.Root), long.MaxValue);
        using var pool = new ComputePool(1);
        using var trainer = new EnsembleTrainer(
            planned.Plan, run.Ensemble?.Seeds ?? 1, pool, TimeProvider.System);
        trainer.Run(_ => new MemberRun(new Unheard()), CancellationToken.None);
        using Model model = ModelOf(trainer, run);

        // Features as they are read, beyond what training saw too.
        Shape shape = model.InputShape!;
        float[] rows = TrialModel.Rows(Rows, shape);
        Dictionary<string, float[]> outputs = Run(model, rows);
        float[] predicted = outputs[OnnxExport.Predicted];
        int width = predicted.Length / Rows;
        for (int row = 0; row < Rows; row++)
        {
            Prediction mine = model.Predict(rows.AsSpan(row * shape.Count, shape.Count));
            AssertSame(
                [.. mine.Values.Select(value => (float)value.Value)],
                predicted[(row * width)..((row + 1) * width)]);
        }
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

    private sealed class Unheard : ITrainingObserver
    {
        public void OnStep(in StepReport report)
        {
        }

        public void OnEpoch(EpochReport report)
        {
        }

        public void OnStopped(TrainingResult result)
        {
        }
    }

    private static Model ModelOf(EnsembleTrainer trainer, RunSpecification run)
    {
        using TrainedModel trained = trainer.Model();
        var whole = new TrainedModel(
            trained.Header with { Specification = run.ResolvedText }, trained.Members);
        using var stream = new MemoryStream();
        whole.WriteTo(stream);
        stream.Position = 0;
        return Model.Read("model.bpm", stream);
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
        Shape shape = model.Network.InputShape;
        int[] dimensions = [rows.Length / shape.Count, .. shape.Dimensions];
        using InferenceSession session = Open(model);
        bool isOfTokens =
            session.InputMetadata[OnnxExport.Features].ElementType == typeof(long);
        NamedOnnxValue input = isOfTokens
            ? NamedOnnxValue.CreateFromTensor(
                OnnxExport.Features,
                new DenseTensor<long>(rows.Select(token => (long)token).ToArray(), dimensions))
            : NamedOnnxValue.CreateFromTensor(
                OnnxExport.Features, new DenseTensor<float>(rows, dimensions));
        using var results = session.Run([input]);
        return results.ToDictionary(
            result => result.Name, result => result.AsTensor<float>().ToArray());
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
