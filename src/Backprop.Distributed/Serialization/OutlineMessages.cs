using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;
using Google.Protobuf.Collections;

namespace Backprop.Distributed.Serialization;

/// <summary>What runs' data come to, to the wire and back.</summary>
internal static class OutlineMessages
{
    private const int MaxRank = 16;
    private const int MaxNames = 65_536;
    private const int MaxPlugins = 1024;
    private const int MaxInputs = 1024;
    private const int MaxInputFeatures = 1 << 20;

    public static Wire.RunOutline ToWire(RunOutline outline)
    {
        var message = new Wire.RunOutline
        {
            Train = ToWire(outline.Train),
            Validation = outline.Validation is { } validation ? ToWire(validation) : null,
            Test = outline.Test is { } test ? ToWire(test) : null,
        };
        if (outline.InitialWeightsSha256 is { } sha256)
        {
            message.InitialWeightsSha256 = ResultMessages.ToWire(sha256);
        }

        message.Plugins.Add(outline.Plugins.Select(plugin => new Wire.LayerPlugin
        {
            Kind = plugin.Kind,
            Sha256 = ResultMessages.ToWire(plugin.Sha256),
        }));
        message.Inputs.Add(outline.Inputs.Select(ToWire));
        message.TargetScales.Add(outline.TargetScales.Select(
            scale => new Wire.TargetScale
            {
                Factor = scale.Factor,
                Offset = scale.Offset,
                Logarithmic = scale.IsLogarithmic,
            }));
        return message;
    }

    public static RunOutline FromWire(Wire.RunOutline? message)
    {
        message = WireChecks.Required(message, "what the data come to");
        var outline = new RunOutline(
            FromWire(WireChecks.Required(message.Train, "the training part")),
            message.Validation is { } validation ? FromWire(validation) : null,
            message.Test is { } test ? FromWire(test) : null,
            WireChecks.List(
                message.TargetScales, MaxNames, "scales",
                scale => new TargetScale(scale.Factor, scale.Offset)
                {
                    IsLogarithmic = scale.Logarithmic,
                }))
        {
            InitialWeightsSha256 = message.HasInitialWeightsSha256
                ? ResultMessages.FromWire(message.InitialWeightsSha256)
                : null,
            Plugins = WireChecks.List(
                message.Plugins, MaxPlugins, "plug-ins",
                plugin => new PluginIdentity(
                    WireChecks.Text(plugin.Kind, "a layer's kind"),
                    ResultMessages.FromWire(plugin.Sha256))),
            Inputs = WireChecks.List(
                message.Inputs, MaxInputs, "inputs", input => new NetworkInput(
                    WireChecks.Text(input.Name, "an input's name"),
                    WireChecks.List(input.Features, MaxInputFeatures, "features"),
                    ShapeOf(input.Shape))),
        };
        return outline.Refusal() is { } reason
            ? throw new SerializationException($"an outline of no data: {reason}")
            : outline;
    }

    private static Wire.DatasetOutline ToWire(DatasetOutline outline)
    {
        var message = new Wire.DatasetOutline
        {
            Source = WireChecks.ToReason(outline.Source),
            Count = outline.Count,
            Target = ToWire(outline.Target),
            Sha256 = ResultMessages.ToWire(outline.Sha256),
        };
        message.FeatureShape.Add(outline.FeatureShape.Dimensions);
        return message;
    }

    private static DatasetOutline FromWire(Wire.DatasetOutline message) => new(
        WireChecks.FromReason(message.Source), message.Count, ShapeOf(message.FeatureShape),
        FromWire(message.Target), ResultMessages.FromWire(message.Sha256));

    private static Wire.TargetSchema ToWire(TargetSchema target)
    {
        var names = new Wire.Names();
        switch (target)
        {
            case TargetSchema.Class classes:
                names.Names_.Add(classes.Classes);
                return new Wire.TargetSchema
                {
                    Classes = names,
                    Positions = classes.Positions == 1 ? 0 : classes.Positions,
                    Tokenizer = classes.Tokenizer ?? "",
                };
            case TargetSchema.Values values:
                names.Names_.Add(values.Names);
                return new Wire.TargetSchema { Values = names };
            case TargetSchema.Several several:
                var targets = new Wire.NamedTargets();
                targets.Targets.Add(several.Parts.Select(part => new Wire.NamedTarget
                {
                    Name = part.Name,
                    Target = ToWire(part.Schema),
                }));
                return new Wire.TargetSchema { Several = targets };
            default:
                throw new ArgumentException($"unknown targets {target}");
        }
    }

    private static Wire.NetworkInput ToWire(NetworkInput input)
    {
        var message = new Wire.NetworkInput { Name = input.Name };
        message.Features.Add(input.Features);
        message.Shape.Add(input.Shape.Dimensions);
        return message;
    }

    private static TargetSchema FromWire(Wire.TargetSchema? target) =>
        target?.KindCase != Wire.TargetSchema.KindOneofCase.Several
            ? FromWireAlone(target)
            : SeveralOf(WireChecks.List(
                target.Several.Targets, ResultMessages.MaxOutputs, "targets",
                part => KeyValuePair.Create(
                    WireChecks.Text(part.Name, "a target's name"), FromWireAlone(part.Target))));

    private static TargetSchema.Several SeveralOf(
        ImmutableArray<KeyValuePair<string, TargetSchema>> targets)
    {
        try
        {
            return new TargetSchema.Several(targets);
        }
        catch (Exception mistake) when (mistake is ArgumentException or OverflowException)
        {
            throw new SerializationException(mistake.Message, mistake);
        }
    }

    private static TargetSchema FromWireAlone(Wire.TargetSchema? target) => target?.KindCase switch
    {
        Wire.TargetSchema.KindOneofCase.Classes =>
            new TargetSchema.Class(NamesOf(target.Classes))
            {
                Positions = target.Positions == 0 ? 1 : target.Positions,
                Tokenizer = target.Tokenizer.Length == 0 ? null : target.Tokenizer,
            },
        Wire.TargetSchema.KindOneofCase.Values => new TargetSchema.Values(NamesOf(target.Values)),
        _ => throw new SerializationException("targets that are neither classes nor values"),
    };

    private static ImmutableArray<string> NamesOf(Wire.Names names) => WireChecks.List(
        names.Names_, MaxNames, "names", name => WireChecks.Text(name, "a target's name"));

    private static Shape ShapeOf(RepeatedField<int> dimensions)
    {
        try
        {
            return Shape.Of(
                WireChecks.List(dimensions, MaxRank, "dimensions").AsSpan());
        }
        catch (ArgumentOutOfRangeException mistake)
        {
            throw new SerializationException(
                $"features of shape {string.Join('x', dimensions)}: {mistake.Message}", mistake);
        }
    }
}
