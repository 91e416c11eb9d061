using System.Collections.Immutable;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Training.Checkpoints;
using Backprop.Training.Specification;

namespace Backprop.Training.Tests.Specification;

/// <summary>Layers of plug-ins in specifications, and plug-ins that cannot be together.</summary>
public sealed class LayerPluginsTests
{
    private static readonly string s_sha256 = new('a', 64);
    private static readonly string s_other = new('b', 64);

    private static readonly LayerPlugins s_plugins =
        LayerPlugins.Of(Plugin(s_sha256, new Factory("acme-scale")));

    [Fact]
    public void Options_are_read_by_their_types_and_have_their_defaults()
    {
        Network network = RunPlanner.BuildNetwork(
            Read("{ plugin { kind = acme-scale, times = 3, bias = true, name = s } }"),
            Shape.Of(2));
        var layer = Assert.IsType<PluginLayer>(Assert.Single(network.Nodes).Layer);
        Assert.Equal(("s", "acme-scale"), (layer.Name, layer.Kind));
        Assert.Equal(Shape.Of(6), layer.OutputShape);

        LayerOptions options = Factory.Last!;
        Assert.Equal(3, options.Integer("times"));
        Assert.Equal(0.5, options.Number("factor"));
        Assert.True(options.Boolean("bias"));
        Assert.Equal("left", options.Word("side"));
        Assert.Throws<ArgumentException>(() => options.Word("factor"));
    }

    [Theory]
    [InlineData(
        "{ plugin = acme-scale }", "x.conf:3:22: model[0].plugin.times: is missing")]
    [InlineData(
        "{ plugin { kind = acme-scale, times = 0 } }",
        "x.conf:3:49: model[0].plugin.times: expected an integer from 1 to 8, found ")]
    [InlineData(
        "{ plugin { kind = acme-scale, times = 1, factor = 2 } }",
        "model[0].plugin.factor: expected a number, at least 0 and at most 1, found ")]
    [InlineData(
        "{ plugin { kind = acme-scale, times = 1, side = lefd } }", "did you mean 'left'?")]
    [InlineData(
        "{ plugin { kind = acme-scale, times = 1, tims = 2 } }",
        "model[0].plugin.tims: unknown key; did you mean 'times'?")]
    [InlineData(
        "{ plugin { kind = acme-scal } }",
        "no plug-in that is loaded here has a layer 'acme-scal'; did you mean 'acme-scale'?")]
    [InlineData("{ plugin { times = 1 } }", "expected a layer of a plug-in")]
    public void Mistakes_are_told_with_their_places(string layer, string expected)
    {
        var refused = Assert.Throws<SpecificationException>(() => Read(layer));
        Assert.Contains(expected, Assert.Single(refused.Errors).ToString());
    }

    [Fact]
    public void Without_plug_ins_a_layer_of_one_is_refused_by_name()
    {
        var refused = Assert.Throws<SpecificationException>(() => RunSpecificationReader.Read(
            Text("{ plugin { kind = acme-scale, times = 1 } }"), "x.conf"));
        Assert.Contains(
            "layer 'acme-scale' is of a plug-in, and none is loaded here", refused.Message);
    }

    [Fact]
    public void What_a_layer_says_against_its_input_is_told_where_the_layer_stands()
    {
        RunSpecification run = Read("{ plugin { kind = acme-scale, times = 1, name = s } }");
        var refused = Assert.Throws<SpecificationException>(
            () => RunPlanner.BuildNetwork(run, Shape.Of(2, 2)));
        Assert.Equal(
            "x.conf:3:11: model[0]: layer 's' (acme-scale of Acme.dll): reads rows of numbers",
            refused.Message);
    }

    [Fact]
    public void The_build_of_a_plug_in_is_part_of_what_the_run_is()
    {
        using PlannedRun run = Plan(s_plugins);
        using PlannedRun other = Plan(
            LayerPlugins.Of(Plugin(s_other, new Factory("acme-scale"))));
        string mine = $"plugin acme-scale: sha256 {s_sha256}";
        string its = $"plugin acme-scale: sha256 {s_other}";
        Assert.Contains(mine, run.Outline.Digests);
        Assert.Equal(
            $"here is '{its}', where the run has '{mine}'",
            other.Outline.DifferenceFrom(run.Outline));
        Assert.Equal(
            $"here is '{its}', where the run has '{mine}'",
            LayerPlugins.DifferenceOf(other.Plan.Network, run.Outline.Plugins));
        Assert.Null(LayerPlugins.DifferenceOf(run.Plan.Network, run.Outline.Plugins));
        Assert.Equal(
            $"'{mine}' became '{its}'",
            PlanIdentity.Of(run.Plan).DifferenceFrom(PlanIdentity.Of(other.Plan)));
        using var weights = new AlignedBuffer(run.Plan.Network.Layout.Length);
        using TrainedModel model = TrainedModel.Of(run.Plan, weights);
        Assert.Equal(
            new PluginIdentity("acme-scale", s_sha256), Assert.Single(model.Header.Plugins));
    }

    [Theory]
    [InlineData("dense", "which is the program's own")]
    [InlineData("plugin", "which is the program's own")]
    [InlineData("Acme", "lower-case letters")]
    [InlineData("", "lower-case letters")]
    public void A_kind_that_cannot_be_one_is_refused(string kind, string expected) =>
        Assert.Contains(expected, Refusal(Plugin(s_sha256, new Factory(kind))));

    [Fact]
    public void Plug_ins_that_do_not_go_together_are_refused()
    {
        Assert.Contains("has no layer", Refusal(Plugin(s_sha256)));
        Assert.Contains(
            "the kind 'acme-a' twice",
            Refusal(Plugin(s_sha256, new Factory("acme-a"), new Factory("acme-a"))));
        Assert.Equal(
            "plug-in Acme.dll has a layer of the kind 'acme-a', and so has Other.dll; allow one of "
            + "the two",
            Refusal(
                Plugin(s_other, new Factory("acme-a")) with { File = "Other.dll" },
                Plugin(s_sha256, new Factory("acme-a"))));
        Assert.Contains(
            "option 'name' is every layer's",
            Refusal(Plugin(s_sha256, new Factory("acme-a", new BooleanOption("name", "?")))));
        Assert.Contains(
            "option 'x' has a default that is out of its range",
            Refusal(Plugin(s_sha256, new Factory("acme-a", new NumberOption("x", "?", 2, 0, 1)))));
    }

    private static string Refusal(params LayerPlugin[] plugins) =>
        Assert.Throws<LayerPluginException>(() => LayerPlugins.Of(plugins)).Message;

    private static LayerPlugin Plugin(string sha256, params ImmutableArray<ILayerFactory> layers) =>
        new("Acme.dll", sha256, layers);

    private static PlannedRun Plan(LayerPlugins plugins) => RunPlanner.Plan(
        RunSpecificationReader.Read(
            Text("{ plugin { kind = acme-scale, times = 1 } }"), "x.conf", plugins: plugins),
        new DataSourceOpener(), long.MaxValue);

    private static RunSpecification Read(string layer) =>
        RunSpecificationReader.Read(Text(layer), "x.conf", plugins: s_plugins);

    private static string Text(string layer) => $$"""
        name = x
        data { train { inline { features = [[1, 2]], targets = [[1, 2]] } } }
        model = [ {{layer}} ]
        loss = mean-squared-error
        optimizer { sgd { learning-rate = 0.1 } }
        batch-size = 1, epochs = 1
        """;

    /// <summary>y = x, so many times.</summary>
    private sealed class Factory(string kind, params ImmutableArray<LayerOption> more)
        : ILayerFactory
    {
        public static LayerOptions? Last { get; private set; }

        public string Kind => kind;

        public ImmutableArray<LayerOption> Options =>
        [
            new IntegerOption("times", "how often", Maximum: 8),
            new NumberOption("factor", "a factor", 0.5, 0, 1), new BooleanOption("bias", "?"),
            new WordOption("side", "?", ["left", "right"]), .. more,
        ];

        public ILayer Create(Shape input, LayerOptions options)
        {
            Last = options;
            return input.Dimensions.Length == 1
                ? new Repeated(Shape.Of(input.Count * options.Integer("times")))
                : throw new ArgumentException("reads rows of numbers");
        }
    }

    private sealed class Repeated(Shape output) : ILayer
    {
        public Shape OutputShape => output;

        public void Forward<T>(in RowForward<T> row)
            where T : unmanaged, IReal<T>
        {
            for (int i = 0; i < row.Output.Length; i++)
            {
                row.Output[i] = row.Input[i % row.Input.Length];
            }
        }

        public void Backward<T>(in RowBackward<T> row)
            where T : unmanaged, IReal<T>
        {
            for (int i = 0; i < row.Output.Length; i++)
            {
                row.InputGradient[i % row.Input.Length] += row.OutputGradient[i];
            }
        }
    }
}
