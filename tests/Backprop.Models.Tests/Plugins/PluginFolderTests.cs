using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using System.Security.Cryptography;
using Acme.Layers;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Engine.Plugins;
using Backprop.Models.Plugins;
using Backprop.Training.Specification;

namespace Backprop.Models.Tests.Plugins;

/// <summary>What is loaded as a plug-in, and what is not: the example's assembly, and such as are
/// made here.</summary>
public sealed class PluginFolderTests : IDisposable
{
    private const string Layers = """
        { plugin { kind = acme-unit-length } }
        { plugin { kind = acme-radial-basis, units = 5, name = basis } }
        { dense { units = 2 } }
        """;

    private static readonly string s_example = typeof(UnitLengthFactory).Assembly.Location;

    private readonly DirectoryInfo _folder =
        Directory.CreateTempSubdirectory("backprop-plugins-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_allowed_is_loaded_and_nothing_else()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "Other.dll"), "no code at all");
        LayerPlugins plugins = Load(Put("Acme.Layers.dll", File.ReadAllBytes(s_example)));
        Assert.Equal(["acme-radial-basis", "acme-swish", "acme-unit-length"], plugins.Kinds);
        Assert.Equal("Acme.Layers.dll", Assert.Single(plugins.Loaded).File);

        // Its code is its own, not that which the test refers to; loaded again, it is the same.
        Type type = plugins.Loaded[0].Layers[0].GetType();
        Assert.NotSame(typeof(UnitLengthFactory).Assembly, type.Assembly);
        LayerPlugins again = Load(Allowed("Acme.Layers.dll"));
        Assert.Same(type, again.Loaded[0].Layers[0].GetType());
    }

    [Fact]
    public void Where_nothing_is_allowed_the_folder_is_not_looked_at() =>
        Assert.Same(LayerPlugins.None, PluginFolder.Load("/there/is/none", []));

    [Fact]
    public void A_file_that_is_not_there_is_told() => Assert.Contains(
        "Absent.dll' is not there, though it is allowed",
        Refusal(new AllowedPlugin("Absent.dll", new string('a', 64))));

    [Fact]
    public void Another_build_is_refused_with_both_digests()
    {
        AllowedPlugin allowed = Put("Acme.Layers.dll", File.ReadAllBytes(s_example));
        AllowedPlugin built = Put("Acme.Layers.dll", [.. File.ReadAllBytes(s_example), 0]);
        string message = Refusal(allowed);
        Assert.Contains($"has the SHA-256 {built.Sha256}, and {allowed.Sha256} is", message);
    }

    [Fact]
    public void What_is_no_plug_in_is_told()
    {
        Assert.Contains("is no .NET assembly", Refusal(Put("Text.dll", "no code"u8.ToArray())));
        Assert.Contains(
            "is no plug-in: it has no [assembly: LayerPlugin], nor anything of Backprop.Engine",
            Refusal(Put("Xunit.dll", File.ReadAllBytes(typeof(FactAttribute).Assembly.Location))));
        Assert.Contains("has no layer", Refusal(Emit("Empty", LayerPluginAttribute.Current)));
    }

    [Fact]
    public void Another_version_of_the_contract_is_told() => Assert.Contains(
        "is built for version 99 of the contract, and this program has version "
        + $"{LayerPluginAttribute.Current}",
        Refusal(Emit("Newer", 99)));

    [Theory]
    [InlineData(typeof(Math), nameof(Math.Exp), "System.Math.Exp, whose bits differ")]
    [InlineData(typeof(double), nameof(double.Tanh), "System.Double.Tanh, whose bits differ")]
    public void Functions_that_differ_between_machines_are_refused(
        Type type, string function, string expected)
    {
        AllowedPlugin plugin = Emit("Inexact", LayerPluginAttribute.Current, layer =>
        {
            ILGenerator code = layer
                .DefineMethod(
                    "F", MethodAttributes.Public | MethodAttributes.Static, typeof(double), [])
                .GetILGenerator();
            code.Emit(OpCodes.Ldc_R8, 1.0);
            code.Emit(OpCodes.Call, type.GetMethod(function, [typeof(double)])!);
            code.Emit(OpCodes.Ret);
        });
        Assert.Contains(expected, Refusal(plugin));
    }

    [Fact]
    public void Randomness_and_state_of_its_own_are_refused()
    {
        AllowedPlugin random = Emit("Random", LayerPluginAttribute.Current, layer =>
            layer.DefineField("_draws", typeof(Random), FieldAttributes.InitOnly));
        Assert.Contains("uses System.Random: draws differ each time", Refusal(random));
        AllowedPlugin state = Emit("State", LayerPluginAttribute.Current, layer =>
            layer.DefineField("_count", typeof(int), FieldAttributes.Private));
        Assert.Contains("has the field Layer._count, which can be changed", Refusal(state));
    }

    [Theory]
    [InlineData("Acme.dll")]
    [InlineData("Acme.dll#sha256=ab12")]
    [InlineData("../Acme.dll#sha256=DIGEST")]
    [InlineData("#sha256=DIGEST")]
    public void What_is_allowed_is_a_name_with_a_digest(string text) => Assert.False(
        AllowedPlugin.TryParse(text.Replace("DIGEST", new string('a', 64)), out _));

    [Fact]
    public void A_model_needs_the_plug_in_that_it_was_trained_with()
    {
        byte[] code = File.ReadAllBytes(s_example);
        LayerPlugins plugins = Load(Put("Acme.Layers.dll", code));
        LayerPlugins rebuilt = Load(Put("Acme.Layers.dll", [.. code, 0]));
        using Model model = TrialModel.Of(
            TrialModel.Specification(Layers, plugins: plugins), Shape.Of(3), DataPreparation.None,
            plugins: plugins);
        float[] expected = [.. model.Predict([1, 2, -1]).Values.Select(v => (float)v.Value)];
        foreach (string ending in new[] { "bpm", "safetensors" })
        {
            string file = Path.Combine(_folder.FullName, $"model.{ending}");
            using (FileStream stream = File.Create(file))
            {
                if (ending == "bpm")
                {
                    model.WriteTo(stream);
                }
                else
                {
                    ModelExport.Write(model, ExportFormat.Safetensors, stream);
                }
            }

            using var loaded = Model.Load(file, plugins);
            Assert.Equal(
                expected, loaded.Predict([1, 2, -1]).Values.Select(v => (float)v.Value));
            string sha256 = plugins.Loaded[0].Sha256;
            var absent = Assert.Throws<ModelException>(() => Model.Load(file));
            Assert.EndsWith(
                "its layers of the kind 'acme-radial-basis' are of a plug-in with the SHA-256 "
                + $"{sha256}, which is not loaded here",
                absent.Message);
            var other = Assert.Throws<ModelException>(() => Model.Load(file, rebuilt));
            Assert.Contains(
                $"{sha256}, and Acme.Layers.dll, which is loaded here, has "
                + rebuilt.Loaded[0].Sha256,
                other.Message);
        }

        var refused = Assert.Throws<ModelException>(
            () => ModelExport.Write(model, ExportFormat.Onnx, Stream.Null));
        Assert.Contains("of plug-in Acme.Layers.dll, which ONNX has no", refused.Message);
    }

    private string Refusal(AllowedPlugin plugin) =>
        Assert.Throws<LayerPluginException>(() => Load(plugin)).Message;

    private LayerPlugins Load(AllowedPlugin plugin) =>
        PluginFolder.Load(_folder.FullName, [plugin]);

    private AllowedPlugin Put(string name, byte[] content)
    {
        File.WriteAllBytes(Path.Combine(_folder.FullName, name), content);
        return Allowed(name);
    }

    private AllowedPlugin Allowed(string name) => new(
        name,
        Convert.ToHexStringLower(
            SHA256.HashData(File.ReadAllBytes(Path.Combine(_folder.FullName, name)))));

    /// <summary>An assembly that says it is a plug-in, with a class that is no factory.</summary>
    private AllowedPlugin Emit(string name, int contract, Action<TypeBuilder>? define = null)
    {
        var assembly = new PersistedAssemblyBuilder(
            new AssemblyName(name), typeof(object).Assembly);
        assembly.SetCustomAttribute(new CustomAttributeBuilder(
            typeof(LayerPluginAttribute).GetConstructor([typeof(int)])!, [contract]));
        TypeBuilder layer = assembly.DefineDynamicModule(name).DefineType(
            "Layer", TypeAttributes.Public | TypeAttributes.Class);
        define?.Invoke(layer);
        layer.CreateType();
        using var stream = new MemoryStream();
        assembly.Save(stream);
        return Put($"{name}.dll", stream.ToArray());
    }
}
