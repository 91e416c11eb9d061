using System.IO.Compression;
using System.Text;
using Backprop.Data.Formats;
using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Tests.Shared;

namespace Backprop.Models.Tests;

/// <summary>Models as files of tensors, and back.</summary>
public sealed class ExportTests : IDisposable
{
    private readonly string _directory =
        Directory.CreateTempSubdirectory("backprop-models-").FullName;

    public static TheoryData<string> Layers => LayerCases.Names;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_model_comes_back_from_safetensors_with_the_same_bits(string name)
    {
        using Model model = LayerCases.Of(name, 1).Model;
        string path = Write(model, ExportFormat.Safetensors, "model.safetensors");
        using var back = Model.Load(path);
        Assert.Equal(model.Header.WeightsSha256.AsEnumerable(), back.Header.WeightsSha256);
        Assert.Equal(model.InputShape, back.InputShape);
        Assert.Equal(model.Specification.CanonicalText, back.Specification.CanonicalText);
    }

    [Fact]
    public void Named_outputs_come_back_with_their_classes_and_units()
    {
        using Model model = TrainedModels.Of("ames-outputs.conf", 1);
        using var back = Model.Load(Write(model, ExportFormat.Safetensors, "o.safetensors"));
        float[] row = TrialModel.Rows(1, model.InputShape!);
        Prediction before = model.Predict(row), after = back.Predict(row);
        Assert.Equal(
            ["price", "style", "early-price"], after.Outputs.Select(output => output.Name));
        Assert.Equal("Sale_Price", after.Outputs[0].Prediction.Values[0].Name);
        Assert.InRange(after.Outputs[0].Prediction.Values[0].Value, 1, 1e9);
        Assert.Contains(after.Outputs[1].Prediction.Class, back.Header.ClassesOf("style")!.Value);
        Assert.Equal(
            before.Outputs.SelectMany(output => output.Prediction.Values),
            after.Outputs.SelectMany(output => output.Prediction.Values));
        using var tensors = SafetensorsFile.Open(Path.Combine(_directory, "o.safetensors"));
        Assert.NotNull(tensors.Find("style.dense1.weight"));
        Assert.NotNull(tensors.Find("branches1-2.dense1.bias"));
    }

    [Fact]
    public void An_ensemble_comes_back_whole()
    {
        using Model model = TrialModel.Of("{ dense = 3 }", Shape.Of(2), members: 3);
        using var back = Model.Load(Write(model, ExportFormat.Safetensors, "e.safetensors"));
        Assert.Equal(3, back.Members.Length);
        Assert.Equal(model.Header.WeightsSha256.AsEnumerable(), back.Header.WeightsSha256);
        Assert.Equal(
            model.Predict([0.5f, 2]).Values.AsEnumerable(), back.Predict([0.5f, 2]).Values);
    }

    [Fact]
    public void An_archive_has_arrays_that_NumPys_readers_read()
    {
        using Model model = TrialModel.Of("{ dense { units = 2, name = only } }", Shape.Of(3));
        string path = Write(model, ExportFormat.Npz, "model.npz");
        using var rows = NumpyFormat.OpenFeatures(new NumpyArray(path, "only.weight"));
        Assert.Equal(2, rows.Count);
        var row = new float[3];
        rows.ReadFeatures(1, row);

        // [inputs, outputs] here, outputs first there.
        Span<float> weights = model.Members[0].Span;
        Assert.Equal([weights[1], weights[3], weights[5]], row);
        using var archive = ZipFile.OpenRead(path);
        Assert.Equal(
            ["only.bias.npy", "only.weight.npy"],
            archive.Entries.Select(entry => entry.FullName).Order());
    }

    [Fact]
    public void Weights_without_a_model_are_told_from_a_model()
    {
        string path = Path.Combine(_directory, "other.safetensors");
        byte[] header = Encoding.UTF8.GetBytes("{}      ");
        File.WriteAllBytes(path, [8, 0, 0, 0, 0, 0, 0, 0, .. header]);
        var refused = Assert.Throws<ModelException>(() => Model.Load(path));
        Assert.Contains("initial-weights", refused.Message);
    }

    [Fact]
    public void A_flattened_image_beside_a_skip_has_no_layout_of_PyTorch()
    {
        using Model model = TrialModel.Of(
            "{ residual = [ { reshape { shape = [2, 2, 2] } }, { flatten {} } ] }", Shape.Of(8));
        var refused = Assert.Throws<ModelException>(
            () => ModelExport.Write(model, ExportFormat.Safetensors, Stream.Null));
        Assert.Contains("'residual1'", refused.Message);
    }

    [Fact]
    public void What_cannot_be_written_for_others_is_refused_by_its_name()
    {
        using Model flattened = TrialModel.Of(
            "{ branches { branches = [ [ { reshape { shape = [2, 2, 2] } }, flatten ], [] ] } }"
            + ", { dense = 2 }", Shape.Of(8));
        var refused = Assert.Throws<ModelException>(
            () => ModelExport.Write(flattened, ExportFormat.Safetensors, Stream.Null));
        Assert.Contains("'branches1' puts a flattened image beside other numbers", refused.Message);
        using Model padded = TrialModel.Of(
            "{ embedding { vocabulary = 5, width = 4 } }"
            + ", { attention { heads = 2, padding-token = 0 } }", Shape.Of(6));
        refused = Assert.Throws<ModelException>(
            () => ModelExport.Write(padded, ExportFormat.Onnx, Stream.Null));
        Assert.Contains("'attention1' passes over padding", refused.Message);
    }

    [Fact]
    public void Whatever_is_made_of_a_file_it_is_a_model_or_refused_in_one_sentence()
    {
        using Model model = TrialModel.Of(
            "{ dense { units = 3, activation = relu } }, { dense = 2 }", Shape.Of(2));
        byte[] original = File.ReadAllBytes(
            Write(model, ExportFormat.Safetensors, "model.safetensors"));
        string path = Path.Combine(_directory, "changed.safetensors");
        for (int seed = 0; seed < 400; seed++)
        {
            File.WriteAllBytes(path, Mutations.Of(original, new Random(seed)));
            try
            {
                using var read = Model.Load(path);
                Assert.NotNull(read.Specification);
            }
            catch (Exception e) when (e is ModelException or Data.InvalidDatasetException)
            {
                Assert.StartsWith("'" + path, "'" + e.Message.TrimStart('\''));
            }
        }
    }

    private string Write(Model model, ExportFormat format, string name)
    {
        string path = Path.Combine(_directory, name);
        using FileStream stream = File.Create(path);
        ModelExport.Write(model, format, stream);
        return path;
    }
}
