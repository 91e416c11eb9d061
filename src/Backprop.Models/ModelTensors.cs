using System.Collections.Immutable;
using System.Globalization;
using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Training;
using Backprop.Models.Plugins;
using Backprop.Training.Checkpoints;
using Backprop.Training.Interchange;
using Backprop.Training.Specification;

namespace Backprop.Models;

/// <summary>A model's weights as tensors of other programs, and back. Of an ensemble, the tensors
/// of each member have <c>members.0.</c> before their names.</summary>
internal static class ModelTensors
{
    /// <summary>What a file's metadata has the model's header under: with it, the file comes back
    /// as a model.</summary>
    public const string HeaderKey = "backprop.model";

    // By whose names the tensors are, where they are not PyTorch's.
    private const string NamesKey = "backprop.names";
    private const string HuggingFace = "hugging-face";

    // What Hugging Face's tools look for: tensors are PyTorch's.
    private const string FormatKey = "format";
    private const string Format = "pt";

    /// <summary>What the file says beside its tensors.</summary>
    public static IReadOnlyDictionary<string, string> MetadataOf(Model model, TensorNames names)
    {
        var metadata = new Dictionary<string, string>
        {
            [FormatKey] = Format,
            [HeaderKey] = (model.Header with
            {
                FeatureShape = model.Network.InputShape.Dimensions,
            }).ToJson(),
        };
        if (names == TensorNames.HuggingFace)
        {
            metadata.Add(NamesKey, HuggingFace);
        }

        return metadata;
    }

    /// <summary>The model of Hugging Face's library that a model is.</summary>
    /// <exception cref="ModelException">It is none, or an ensemble; the message says why.
    /// </exception>
    public static HuggingFaceModel HuggingFaceOf(Model model)
    {
        if (model.Members.Length > 1)
        {
            throw new ModelException(
                $"the model is an ensemble of {model.Members.Length} networks: Hugging Face's "
                + "names are for one");
        }

        try
        {
            return HuggingFaceLayout.Of(model.Network);
        }
        catch (NotSupportedException e)
        {
            throw new ModelException(
                $"the model has no names in Hugging Face's library: {e.Message}", e);
        }
    }

    /// <summary>The tensors of every member.</summary>
    /// <exception cref="ModelException">A layer has none; the message names it.</exception>
    public static IReadOnlyList<WrittenTensor> Of(Model model, TensorNames names)
    {
        Network network = model.Network;

        // Hugging Face's tools save a tensor that two modules share under the first's name alone.
        ImmutableArray<StridedTensor> tensors = names == TensorNames.HuggingFace
            ? [.. HuggingFaceOf(model).Tensors.Where(tensor => tensor.CopyOf is null)]
            : LayoutOf(network, names);
        return
        [
            .. from member in Enumerable.Range(0, model.Members.Length)
               from tensor in tensors
               select new WrittenTensor(
                   PrefixOf(member, model.Members.Length) + tensor.Name, tensor.Shape,
                   () => ValuesOf(tensor, network.Layout, model.Members[member])),
        ];
    }

    /// <summary>Refuses a model that does not say of itself what network it is of.</summary>
    /// <exception cref="CheckpointException">Code has built the network.</exception>
    public static void RequireSpecification(ModelHeader header)
    {
        if (header.Specification.Length == 0)
        {
            throw new CheckpointException(
                "the model is of a network that code has built, and does not say of which layers: "
                + "the code that builds it loads it, from a model.bpm");
        }
    }

    /// <summary>The model that a file was written of. Its tensors may have been changed since:
    /// digests are taken anew.</summary>
    /// <exception cref="CheckpointException">The file has no header of a model, or tensors of
    /// another network; or plug-ins of its layers are not here.</exception>
    public static TrainedModel Read(ITensorFile file, LayerPlugins? plugins)
    {
        if (!file.Metadata.TryGetValue(HeaderKey, out string? json))
        {
            throw new CheckpointException(
                $"the file has weights only, without '{HeaderKey}' in its metadata, which "
                + "backprop export writes: train from it, with initial-weights in a run's "
                + "specification");
        }

        var header = ModelHeader.FromJson(json);
        int members = header.WeightsSha256.Length;
        if (members is < 1 or > TrainedModel.MaxMembers)
        {
            throw new CheckpointException($"the model has {members} members");
        }

        RequireSpecification(header);
        ModelPlugins.Require(header, plugins);
        Network network = NetworkOf(header, file.Source, plugins);
        ImmutableArray<StridedTensor> layout = LayoutOf(network, NamesOf(file));
        ImmutableArray<StridedTensor>[] tensors =
        [
            .. Enumerable.Range(0, members).Select(member => RequireAll(
                layout, PrefixOf(member, members), file)),
        ];
        var weights = ImmutableArray.CreateBuilder<AlignedBuffer>(members);
        try
        {
            for (int member = 0; member < members; member++)
            {
                weights.Add(ReadMember(
                    tensors[member], network.Layout, PrefixOf(member, members), file));
            }

            return new TrainedModel(
                header with
                {
                    Parameters = StoredParameter.Of(network.Layout),
                    Length = network.Layout.Length,
                    WeightsSha256 =
                        [.. weights.Select(w => WeightsDigest.OfWeights(network.Layout, w))],
                },
                weights.ToImmutable());
        }
        catch
        {
            weights.ToList().ForEach(buffer => buffer.Dispose());
            throw;
        }
    }

    private static AlignedBuffer ReadMember(
        ImmutableArray<StridedTensor> tensors, ParameterLayout layout, string prefix,
        ITensorFile file)
    {
        var weights = new AlignedBuffer(layout.Length);
        try
        {
            // What is added comes after what it is added to.
            foreach (StridedTensor tensor in tensors.OrderBy(tensor => tensor.IsAddend))
            {
                var values = new float[tensor.Count];
                file.Read(prefix + tensor.Name, values);
                tensor.Scatter(values, ParameterOf(tensor, layout, weights));
            }

            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    // What is to be read of the file.
    private static ImmutableArray<StridedTensor> RequireAll(
        ImmutableArray<StridedTensor> all, string prefix, ITensorFile file)
    {
        (ImmutableArray<StridedTensor> tensors, ImmutableArray<string> differing) =
            TiedTensors.In(all, file, prefix);
        if (!differing.IsEmpty)
        {
            throw new CheckpointException(differing[0]);
        }

        StridedTensor? wrong = tensors.FirstOrDefault(
            tensor => file.Find(prefix + tensor.Name) is not { Shape: var shape }
                || !shape.SequenceEqual(tensor.Shape.Select(d => (long)d)));
        return wrong is null
            ? tensors
            : throw new CheckpointException(
                $"the model has a tensor '{prefix}{wrong.Name}' of shape {wrong.ShapeText}, "
                + (file.Find(prefix + wrong.Name) is { } other
                    ? $"and the file one of shape {other.ShapeText}"
                    : "and the file none"));
    }

    private static Network NetworkOf(ModelHeader header, string source, LayerPlugins? plugins)
    {
        try
        {
            RunSpecification run =
                RunSpecificationReader.Read(header.Specification, source, plugins: plugins);
            return RunPlanner.BuildNetwork(
                run, Shape.Of(header.FeatureShape.AsSpan()), header.FeatureNames);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new CheckpointException(
                $"the model's features are of shape {string.Join('x', header.FeatureShape)}", e);
        }
    }

    private static TensorNames NamesOf(ITensorFile file) =>
        file.Metadata.GetValueOrDefault(NamesKey) switch
        {
            null => TensorNames.PyTorch,
            HuggingFace => TensorNames.HuggingFace,
            var other => throw new CheckpointException(
                $"its metadata have '{other}' under '{NamesKey}', where '{HuggingFace}' can be"),
        };

    private static ImmutableArray<StridedTensor> LayoutOf(Network network, TensorNames names)
    {
        try
        {
            return names == TensorNames.HuggingFace
                ? HuggingFaceLayout.Of(network).Tensors
                : PyTorchLayout.Of(network);
        }
        catch (NotSupportedException e)
        {
            throw new ModelException(e.Message, e);
        }
    }

    private static ReadOnlyMemory<float> ValuesOf(
        StridedTensor tensor, ParameterLayout layout, AlignedBuffer weights)
    {
        var values = new float[tensor.Count];
        tensor.Gather(ParameterOf(tensor, layout, weights), values);
        return values;
    }

    private static Span<float> ParameterOf(
        StridedTensor tensor, ParameterLayout layout, AlignedBuffer weights) =>
        layout.TryFind(tensor.Parameter, out ParameterView? view)
            ? weights.Span.Slice(view.Offset, view.Length)
            : throw new InvalidOperationException(
                $"'{tensor.Name}' is of '{tensor.Parameter}', which the network does not have");

    private static string PrefixOf(int member, int members) => members == 1
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $"members.{member}.");
}
